/** @file `maliang caption FILES`: what pictures show, in words. */
import { complain, MaliangError } from '../core/errors.js';
import { readPictureFile } from '../data/picture-folder.js';
import { Captioner } from '../metrics/captioner.js';
import type { Command } from './main.js';
import { locateNamed } from './models-download.js';
import { noteWarning } from './note-warning.js';
import type { OptionValues } from './option-table.js';
import { shortPath } from './picture-file.js';
import { picturePaths } from './picture-paths.js';
import { printable, printableJson } from './printable.js';
import { Progress } from './progress.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

export const caption: Command = async ({ words, values }, terminal, { signal }) => {
  const { say, folder } = terminal;
  const where = `${say('program')} caption`;
  if (words.length === 0) throw usageError(say, { where, expected: say('usage.files') });
  if (values.captioner === undefined) {
    throw usageError(say, { where, expected: say('usage.captioner') });
  }
  const paths = await picturePaths(words, folder);
  await using captioner = await openCaptioner(values.captioner, values, terminal, signal);
  const captions: { path: string; caption: string }[] = [];
  const warnings: string[] = [];
  const progress = new Progress(terminal);
  try {
    for (const [done, path] of paths.entries()) {
      const label = say('caption.captioning');
      if (!values.quiet) progress.report({ label, done, total: paths.length });
      const found = await captionOf(path, captioner, values, signal);
      progress.clear();
      for (const warning of found.warnings) noteWarning(warning, terminal);
      warnings.push(...found.warnings);
      if (found.text === undefined) continue;
      captions.push({ path, caption: found.text });
      if (!values.json) terminal.print(printable(`${shortPath(path, folder)}: ${found.text}`));
    }
  } finally {
    progress.clear();
  }
  if (captions.length === 0) throw noneRead(paths.length, terminal);
  if (values.json) terminal.print(printableJson({ captions, warnings }));
  return 0;
};

/** A captioning model of this disk or the hub. */
export async function openCaptioner(
  model: string,
  values: OptionValues,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Captioner> {
  const path = await locateNamed(model, values, terminal, signal);
  const { threads, device } = values;
  return Captioner.open(path, { threads, device, offline: true });
}

/** The caption of a file; without one, the warnings say why it was left out. */
async function captionOf(
  path: string,
  captioner: Captioner,
  { begin: prompt, beams }: OptionValues,
  signal: AbortSignal,
): Promise<{ text?: string; warnings: readonly string[] }> {
  try {
    const { image, notes } = await readPictureFile(path);
    const { text, warnings } = await captioner.caption(image, { prompt, beams, signal });
    return { text, warnings: [...notes, ...warnings] };
  } catch (cause) {
    const isUnread = cause instanceof MaliangError && ['FILE_READ', 'IMAGE'].includes(cause.code);
    if (isUnread) return { warnings: [`${cause.message} It is left out.`] };
    throw cause;
  }
}

function noneRead(count: number, { say }: Terminal): MaliangError {
  const got = `${count} ${say('caption.none')}`;
  return complain('DATA', { where: 'caption', expected: say('usage.files'), got });
}
