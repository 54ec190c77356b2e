/** @file `maliang info FILE`: how a picture was made, by whatever program, and what it says of itself. */
import { resolve } from 'node:path';
import type { FoundRecipe } from '../pipelines/provenance/found-settings.js';
import { type Provenance, readProvenance } from '../pipelines/provenance/read-provenance.js';
import { recipeJson } from '../pipelines/provenance/recipe.js';
import { jsonSeed } from './json-seed.js';
import type { Command } from './main.js';
import type { Say } from './messages.js';
import { noteWarning } from './note-warning.js';
import { openPicture } from './picture-bytes.js';
import { printable, printableJson, quoteForShell } from './printable.js';
import type { Terminal } from './terminal.js';
import { helpOrDraw, usageError } from './usage.js';

export const info: Command = async ({ words, values }, terminal) => {
  const { say, folder } = terminal;
  const file = oneFile(words, 'info', say);
  const path = resolve(folder, file);
  await using picture = await openPicture(path);
  const provenance = await readProvenance(picture, printable(file));
  if (values.json) {
    terminal.print(printableJson(recordOf(path, provenance)));
    return 0;
  }
  for (const warning of provenance.warnings) noteWarning(warning, terminal);
  for (const line of linesOf(file, provenance, terminal)) terminal.print(line);
  return 0;
};

/** The file a command is about. */
export function oneFile(words: readonly string[], command: string, say: Say): string {
  const [file, ...rest] = words;
  if (file !== undefined && file !== '' && rest.length === 0) return file;
  const where = `${say('program')} ${command}`;
  const expected = say('usage.oneFile');
  if (rest.length === 0) {
    const next = say('usage.promptNext', { example: `${where} picture.png` });
    throw usageError(say, { where, expected, next });
  }
  const next = helpOrDraw(say, [command, ...words].join(' '));
  throw usageError(say, { where, expected, got: words.join(' '), next });
}

/** The object of `--json`; fields may be added, never renamed. */
function recordOf(path: string, provenance: Provenance) {
  const { format, width, height, frames, found, recipe, alt, description, texts } = provenance;
  return {
    ...{ path, format, width, height, frames },
    program: found?.program ?? null,
    recipe: recipe ? (JSON.parse(recipeJson(recipe)) as unknown) : null,
    settings: found ? seedsAsJson(found.settings) : null,
    prompt: found?.settings.prompt ?? null,
    model: found?.model ?? null,
    vae: found?.vae ?? null,
    loras: found?.loras ?? [],
    startsFrom: found?.startsFrom ?? null,
    ...{ alt: alt ?? null, description: description ?? null },
    marks: {
      digitalSourceType: provenance.digitalSourceType ?? null,
      software: provenance.software ?? null,
      c2pa: provenance.hasC2pa,
    },
    notHonoured: found?.notHonoured ?? [],
    texts: texts.map(({ keyword, place, text }) => ({ keyword, place, characters: text.length })),
    warnings: [...provenance.warnings, ...(found?.warnings ?? [])],
  };
}

function seedsAsJson(settings: FoundRecipe['settings']): Record<string, unknown> {
  const isSeed = (value: unknown): value is bigint => typeof value === 'bigint';
  const entries = Object.entries(settings);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, isSeed(value) ? jsonSeed(value) : value]),
  );
}

const mostShown = 1000;

function linesOf(file: string, provenance: Provenance, terminal: Terminal): string[] {
  const { say } = terminal;
  const { format, width, height, found, alt, description, hasC2pa, texts } = provenance;
  const show = (text: string): string => {
    if (text.length <= mostShown) return printable(text);
    const start = printable(text.slice(0, mostShown));
    return say('info.more', { text: start, count: text.length });
  };
  const line = (label: string, text: string | undefined): string[] =>
    text === undefined || text === '' ? [] : [`${label}: ${show(text)}`];
  const head = `${printable(file)}: ${format.toUpperCase()} ${width}x${height}`;
  return [
    terminal.style('stdout', 'bold', head),
    ...(found ? recipeLines(found, line, say) : [say('info.none')]),
    ...line(say('info.alt'), alt),
    ...line(say('info.description'), description),
    ...line(say('info.mark'), markOf(provenance, say)),
    ...(hasC2pa ? [say('info.c2pa')] : []),
    ...line(
      say('info.texts'),
      texts
        .map(({ keyword, place }) => `${keyword} (${place})`)
        .slice(0, 50)
        .join(', '),
    ),
    ...(provenance.recipe
      ? [say('info.again', { command: `${say('program')} again ${quoteForShell(file)}` })]
      : []),
  ];
}

type Line = (label: string, text: string | undefined) => string[];

function recipeLines(found: FoundRecipe, line: Line, say: Say): string[] {
  const { program, settings, model, vae, loras, startsFrom, notHonoured, warnings } = found;
  const { prompt, negativePrompt, ...numbers } = settings;
  const file = ({ name, hash, weight }: NonNullable<FoundRecipe['model']>): string =>
    [
      name,
      ...(weight === undefined ? [] : [`${weight}`]),
      ...(hash ? [`(${hash.slice(0, 12)})`] : []),
    ].join(' ');
  const start = startsFrom === 'picture' ? say('info.startPicture') : say('info.startMask');
  return [
    ...line(say('info.by'), [program.name, program.version ?? ''].join(' ').trim()),
    ...line(say('info.prompt'), prompt),
    ...line(say('info.negative'), negativePrompt),
    ...line(
      say('info.settings'),
      Object.entries(numbers)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ),
    ...line(say('info.model'), model && file(model)),
    ...line(say('info.vae'), vae && file(vae)),
    ...loras.slice(0, 50).flatMap((lora) => line(say('info.lora'), file(lora))),
    ...line(say('info.start'), startsFrom && start),
    ...notHonoured.flatMap(({ field, value }) => line(say('info.ignored'), `${field}: ${value}`)),
    ...warnings.flatMap((warning) => line(say('warning.label'), warning)),
  ];
}

function markOf({ digitalSourceType: type }: Provenance, say: Say): string | undefined {
  const code = type?.split('/').at(-1);
  if (code === 'trainedAlgorithmicMedia') return `${say('info.machine')} (${type})`;
  if (code === 'compositeWithTrainedAlgorithmicMedia') return `${say('info.composite')} (${type})`;
  return type;
}
