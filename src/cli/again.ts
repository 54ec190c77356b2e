/** @file `maliang again FILE`: draws a picture again from what its file says, and tells what is not as it was. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { complain } from '../core/errors.js';
import { parseModelId } from '../hub/model-id.js';
import type { FoundRecipe } from '../pipelines/provenance/found-settings.js';
import { readPath } from '../pipelines/provenance/home-path.js';
import { type Provenance, readProvenance } from '../pipelines/provenance/read-provenance.js';
import type { Recipe } from '../pipelines/provenance/recipe.js';
import {
  type Difference,
  differencesOf,
  generateOptionsOf,
  modelOptionsOf,
} from '../pipelines/provenance/replay.js';
import { optionsForCommand } from './draw-command.js';
import { type Drawn, drawJob, type Replay, readJob } from './generate.js';
import { oneFile } from './info.js';
import type { Command } from './main.js';
import type { Say } from './messages.js';
import { noteWarning } from './note-warning.js';
import { type OptionValues, SeedShift } from './option-table.js';
import { openPicture } from './picture-bytes.js';
import { printable, printableJson, quoteForShell } from './printable.js';
import { signed } from './seed-option.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

export const again: Command = async ({ words, values }, terminal, { signal }) => {
  const { say, folder } = terminal;
  const file = oneFile(words, 'again', say);
  const provenance = await readFile(resolve(folder, file), file);
  for (const warning of provenance.warnings) noteWarning(warning, terminal);
  const plan = planOf(file, provenance, values, terminal);
  for (const note of plan.notes) noteWarning(note, terminal);
  const notes = [...provenance.warnings, ...plan.notes];
  const { prompt, replay } = plan;
  const seed = seedOf(values, replay.generate.seed, say);
  const job = await readJob(prompt, { values: plan.values, seed, replay }, terminal);
  const drawn = await drawJob(job, terminal, signal);
  tell(file, { recipe: provenance.recipe, drawn, notes, values }, terminal);
  return 0;
};

async function readFile(path: string, name: string): Promise<Provenance> {
  await using picture = await openPicture(path);
  return await readProvenance(picture, printable(name)); // the file is open until then
}

interface Plan {
  readonly prompt: string;
  /** Those of the file and those of the command line. */
  readonly values: OptionValues;
  readonly replay: Replay;
  readonly notes: readonly string[];
}

function planOf(
  file: string,
  { recipe, found }: Provenance,
  values: OptionValues,
  terminal: Terminal,
): Plan {
  const { say } = terminal;
  const command = [say('program'), 'again', quoteForShell(file)].join(' ');
  const commandFor = (seed: number | bigint): string =>
    [command, `--seed ${seed}`, ...optionsForCommand(values)].join(' ');
  if (recipe) {
    const { maskBlur, onlyMasked, ...options } = generateOptionsOf(recipe);
    const masked = values.vary === undefined ? { maskBlur, onlyMasked } : {};
    const replay = {
      generate: { ...options, ...masked },
      model: replayModel(recipe, values),
      commandFor,
    };
    const asked = { ...filesOf(file, recipe, values, terminal), ...values };
    return { prompt: recipe.prompt, values: asked, replay, notes: [] };
  }
  if (!found) throw nothing(file);
  requireFiles(file, found, values);
  const { prompt = '', ...settings } = found.settings;
  const isFromPicture = values.init !== undefined || values.vary !== undefined;
  const strength = isFromPicture ? settings.strength : undefined;
  const replay = { generate: { ...settings, strength }, model: {}, commandFor };
  return { prompt, values, replay, notes: notesOn(found, values) };
}

/** Of the model's own options those that another model does not make void. */
function replayModel(recipe: Recipe, values: OptionValues): Replay['model'] {
  const model = modelOptionsOf(recipe);
  return values.model === undefined ? model : { ...model, revision: undefined };
}

/** The model and the pictures a recipe names, where they are not given anew. */
function filesOf(
  file: string,
  recipe: Recipe,
  values: OptionValues,
  terminal: Terminal,
): OptionValues {
  const { model, start, mask } = recipe;
  const found: OptionValues = {};
  if (values.model === undefined) Object.assign(found, modelValues(file, model, values, terminal));
  const hasStart = values.init !== undefined || values.vary !== undefined;
  if (start && !hasStart) found.init = placeOf(file, '--init', start);
  const isMaskLeft = values.mask === undefined && values.vary === undefined;
  if (mask === 'alpha' && isMaskLeft) found.mask = 'alpha';
  else if (mask && mask !== 'alpha' && isMaskLeft) found.mask = placeOf(file, '--mask', mask);
  return found;
}

function modelValues(
  file: string,
  { name, source, commit, variant, sha256 }: Recipe['model'],
  { yes }: OptionValues,
  terminal: Terminal,
): OptionValues {
  if (source === 'builtin') return {};
  // A file shall not make this machine download gigabytes unasked.
  if (commit !== undefined && parseModelId(source)) {
    const isAsked = yes === true || terminal.canAsk;
    return {
      ...{ model: source, revision: commit },
      ...(variant !== undefined && { variant }),
      ...(!isAsked && { offline: true as const }),
    };
  }
  const path = readPath(source);
  if (path !== undefined && existsSync(path)) return { model: path };
  throw complain('MODEL_NOT_FOUND', {
    where: printable(file),
    expected: `the model ${printable(name)} (SHA-256 ${sha256.slice(0, 12)}…) at ${printable(source)}`,
    got: path === undefined ? 'a network path, which is not opened' : 'nothing there',
    next: 'Say where it is with --model.',
  });
}

function placeOf(
  file: string,
  option: '--init' | '--mask',
  start: NonNullable<Recipe['start']>,
): string {
  const { of, path, sha256 } = start;
  const place = path === undefined ? undefined : readPath(path);
  // Some files of a system never end, or wait for a writer.
  if (place !== undefined && statSync(place, { throwIfNoEntry: false })?.isFile()) return place;
  const what =
    of === 'latents'
      ? 'latents'
      : `${of === 'file' ? 'a file' : 'pixels'} with SHA-256 ${sha256.slice(0, 12)}…`;
  throw complain('RECIPE', {
    where: printable(file),
    expected: `${what} to start from`,
    got: path === undefined ? 'no place where they are' : `nothing at ${printable(path)}`,
    next: `Give the picture with ${option}.`,
  });
}

/** What a file of another program does not hold must be given. */
function requireFiles(
  file: string,
  { model, program, startsFrom }: FoundRecipe,
  values: OptionValues,
): void {
  const where = printable(file);
  if (values.model === undefined) {
    const hash = model?.hash === undefined ? '' : ` (${model.hash})`;
    const named = model ? `the model ${model.name}${hash}` : 'a model it does not name';
    throw complain('RECIPE', {
      where,
      expected: '--model',
      got: printable(`a picture by ${program.name} with ${named}`),
      next: 'Say where the model is with --model; `--model builtin` draws with the built-in one.',
    });
  }
  if (startsFrom === undefined || values.init !== undefined || values.vary !== undefined) return;
  throw complain('RECIPE', {
    where,
    expected: '--init',
    got: `a picture that was started from a ${startsFrom}`,
    next: `Give ${startsFrom === 'picture' ? 'it with --init' : 'them with --init and --mask'}.`,
  });
}

function nothing(file: string): Error {
  const [where, expected] = [printable(file), 'a recipe'];
  return complain('RECIPE', {
    where,
    expected,
    got: 'a picture that does not say how it was made',
  });
}

function notesOn(
  { program, notHonoured, warnings, loras, vae }: FoundRecipe,
  values: OptionValues,
): string[] {
  const unread = notHonoured.map(
    ({ field, value }) => `${program.name}, not followed: ${field}: ${value}`,
  );
  const missing = [
    ...(values.lora
      ? []
      : loras.map(({ name, weight = 1 }) => `LoRA ${name} at ${weight}; add it with --lora`)),
    ...(vae && values.vae === undefined ? [`autoencoder ${vae.name}; add it with --vae`] : []),
  ];
  return [...warnings, ...unread, ...missing.map((one) => `${program.name}, not followed: ${one}`)];
}

function seedOf(
  { seed }: OptionValues,
  base: number | bigint | undefined,
  say: Say,
): number | bigint | undefined {
  if (seed === undefined) return base;
  if (!(seed instanceof SeedShift)) return seed;
  const shifted = base === undefined ? -1n : BigInt(base) + BigInt(seed.by);
  if (shifted < 0n) {
    const got = `${base ?? '?'} ${signed(seed)}`;
    throw usageError(say, { where: '--seed', expected: say('usage.seedShift'), got });
  }
  return shifted <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(shifted) : shifted;
}

interface Told {
  readonly recipe: Recipe | undefined;
  readonly drawn: Drawn;
  readonly notes: readonly string[];
  readonly values: OptionValues;
}

/** What is as it was, of the first picture. */
function tell(file: string, { recipe, drawn, notes, values }: Told, terminal: Terminal): void {
  const { say } = terminal;
  const now = drawn.recipes[0]!;
  const isSame = recipe ? recipe.pixels === now.pixels : null;
  const differs = recipe ? differencesOf(recipe, now) : [];
  if (values.json) {
    const { images, warnings } = drawn;
    const comparison = { file: resolve(terminal.folder, file), samePixels: isSame, differs };
    terminal.print(printableJson({ images, warnings: [...notes, ...warnings], again: comparison }));
    return;
  }
  if (values.quiet) return;
  const key = isSame === null ? 'again.unknown' : isSame ? 'again.same' : 'again.other';
  terminal.print(say(key, { file: printable(file) }));
  for (const difference of differs) terminal.print(differenceLine(difference, say));
  if (isSame === false && differs.length === 0) terminal.print(say('again.nothing'));
}

function differenceLine({ what, before, now }: Difference, say: Say): string {
  const short = (text: string): string =>
    /^[\da-f]{64}$/.test(text) ? text.slice(0, 12) : printable(text.slice(0, 200));
  return say('again.difference', { what, before: short(before), now: short(now) });
}
