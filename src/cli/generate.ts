/** @file `maliang generate`: pictures of a prompt as files, each with its seed and the command to make it again. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { encodePng } from '../formats/png.js';
import type { Interruption } from './interruption.js';
import type { Say } from './messages.js';
import type { OptionValues } from './option-table.js';
import { type Invocation, parseCommandLine } from './parse.js';
import {
  type PictureTarget,
  pictureTarget,
  requireWritable,
  shortPath,
  writePicture,
} from './picture-file.js';
import { type DrawOptions, openPipeline, type Picture } from './pipeline.js';
import { preview, previewKind } from './preview.js';
import { printable, quoteForShell } from './printable.js';
import { Progress } from './progress.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

interface Job {
  readonly prompt: string;
  readonly seed: number;
  readonly num: number;
  readonly values: OptionValues;
  readonly target: PictureTarget;
}

/** One entry of `--json`; fields may be added, never renamed. */
interface ImageRecord {
  readonly path: string;
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  readonly prompt: string;
  readonly model: string;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly elapsedMs: number;
}

export async function generate(
  { words, values }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const job = await readJob(words, values, terminal);
  const records: ImageRecord[] = [];
  try {
    const warnings = await draw(job, terminal, signal, records);
    for (const warning of warnings) noteWarning(warning, terminal);
    if (values.json) terminal.print(JSON.stringify({ images: records, warnings }));
  } catch (error) {
    if (values.json && records.length > 0) {
      const paths = records.map(({ path }) => printable(path)).join(' ');
      terminal.note(terminal.say('note.kept', { paths }));
    }
    throw error;
  }
  return 0;
}

/** Everything that can be refused before the model is loaded is refused here. */
async function readJob(
  words: readonly string[],
  values: OptionValues,
  { say, folder }: Terminal,
): Promise<Job> {
  const prompt = words.join(' ');
  if (prompt.trim() === '') {
    const example = `${say('program')} "a red apple, flat"`;
    const next = say('usage.promptNext', { example });
    const got = words.length === 0 ? {} : { got: JSON.stringify(prompt) };
    throw usageError(say, { where: say('program'), expected: say('usage.prompt'), ...got, next });
  }
  const num = values.num ?? 1;
  const seed = values.seed ?? randomInt(2 ** 32 - num);
  const target = await pictureTarget(values.out, num, folder, say);
  await requireWritable(target);
  return { prompt, seed, num, values, target };
}

/** Draws and writes every picture; the records grow as pictures reach the disk. */
async function draw(
  job: Job,
  terminal: Terminal,
  signal: AbortSignal,
  records: ImageRecord[],
): Promise<readonly string[]> {
  const { values, num } = job;
  const { say } = terminal;
  const progress = new Progress(terminal);
  const show = (state: Parameters<Progress['report']>[0]): void => {
    if (!values.quiet) progress.report(state);
  };
  try {
    show({ label: say('generate.loading'), done: 0, total: 0 });
    const model = values.model === undefined ? undefined : resolve(terminal.folder, values.model);
    const { threads } = values;
    await using pipeline = await openPipeline(model, {
      signal,
      ...(threads === undefined ? {} : { threads }),
    });
    let startedAt = performance.now();
    for await (const event of pipeline.stream(job.prompt, drawOptions(job, signal))) {
      if (event.kind === 'step') {
        const label = drawingLabel(event.image, num, terminal);
        const done = event.image * event.steps + event.step;
        show({ label, done, total: num * event.steps });
        continue;
      }
      progress.clear();
      records.push(await keep(event, job, terminal, performance.now() - startedAt));
      startedAt = performance.now();
    }
    return [];
  } finally {
    progress.clear();
  }
}

function drawOptions({ seed, num, values }: Job, signal: AbortSignal): DrawOptions {
  const { steps, guidance, negative, size } = values;
  return {
    seed,
    num,
    signal,
    ...(steps === undefined ? {} : { steps }),
    ...(guidance === undefined ? {} : { guidanceScale: guidance }),
    ...(negative === undefined ? {} : { negativePrompt: negative }),
    ...size,
  };
}

function drawingLabel(image: number, num: number, { say }: Terminal): string {
  return num === 1 ? say('generate.drawing') : `${say('generate.drawing')} ${image + 1}/${num}`;
}

/** Writes one picture and says so. */
async function keep(
  picture: Picture,
  job: Job,
  terminal: Terminal,
  elapsedMs: number,
): Promise<ImageRecord> {
  const { values, prompt, target } = job;
  const { width, height, seed } = picture;
  const png = encodePng({ width, height, channels: 3, data: picture.pixels });
  const path = await writePicture(target, png, prompt, seed);
  const shown = shortPath(path, terminal.folder);
  if (values.quiet && !values.json) terminal.print(shown);
  if (!values.quiet && !values.json) {
    const kind = previewKind(terminal);
    if (kind) {
      const shownPicture = { width, height, channels: 3, data: picture.pixels, png } as const;
      terminal.raw('stdout', preview(kind, shownPicture, terminal.columns('stdout')));
    }
    terminal.print(terminal.style('stdout', 'bold', printable(shown)));
    terminal.print(terminal.say('generate.seed', { seed }));
    const command = commandFor(prompt, seed, values, terminal.say);
    terminal.print(terminal.say('generate.again', { command }));
  }
  return {
    path,
    seed,
    width,
    height,
    prompt,
    model: values.model ?? 'builtin',
    steps: 0,
    guidanceScale: 0,
    elapsedMs: Math.round(elapsedMs),
  };
}

/** A command line that draws the same picture: everything asked for but where and how to put it. */
export function commandFor(
  prompt: string,
  seed: number,
  { steps, guidance, negative, size, model, threads }: OptionValues,
  say: Say,
): string {
  const options = {
    seed,
    steps,
    guidance,
    negative,
    size: size && `${size.width}x${size.height}`,
    model,
    threads,
  };
  const words = quoteForShell(prompt);
  const isPlain = isReadAsPrompt(prompt, say);
  const parts = [say('program'), ...(isPlain ? [words] : [])];
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const text = String(value);
    parts.push(`--${name}${text.startsWith('-') ? '=' : ' '}${quoteForShell(text)}`);
  }
  return [...parts, ...(isPlain ? [] : ['--', words])].join(' ');
}

/** False for prompts that are an option or a command, or nearly one: they need `--` before them. */
function isReadAsPrompt(prompt: string, say: Say): boolean {
  try {
    const { isNamed, words } = parseCommandLine([prompt], say);
    return !isNamed && words.length === 1;
  } catch {
    return false;
  }
}

function noteWarning(warning: string, terminal: Terminal): void {
  const label = terminal.style('stderr', 'yellow', `${terminal.say('warning.label')}:`);
  terminal.note(`${label} ${printable(warning)}`);
}
