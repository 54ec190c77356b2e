/** @file `maliang generate`: pictures of a prompt as files, each with its seed and the command to make it again. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { encodePng } from '../formats/png.js';
import type { GenerateOptions } from '../pipelines/generation-request.js';
import type { AltText } from '../pipelines/provenance/alt-text.js';
import { encodePicture } from '../pipelines/provenance/encode-file.js';
import type { Recipe } from '../pipelines/provenance/recipe.js';
import {
  type FromPretrainedOptions,
  type GeneratedImage,
  type GenerationEvent,
  TextToImage,
} from '../pipelines/text-to-image.js';
import type { Interruption } from './interruption.js';
import type { Say } from './messages.js';
import { type FoundModel, locateModel } from './models-download.js';
import { type LoraValue, type OptionValues, SeedShift } from './option-table.js';
import { type Invocation, parseCommandLine } from './parse.js';
import {
  type PictureTarget,
  pictureTarget,
  requireWritable,
  shortPath,
  writePicture,
} from './picture-file.js';
import {
  type PictureSource,
  readSource,
  variation,
  variationStrengthOf,
} from './picture-source.js';
import { type PreviewPicture, preview, previewKind } from './preview.js';
import { printable, quoteForShell } from './printable.js';
import { Progress, type ProgressState } from './progress.js';
import { absoluteSeed, signed } from './seed-option.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

/** What a job has from a recipe, before the options of the command line. */
export interface Replay {
  readonly generate: GenerateOptions;
  readonly model: FromPretrainedOptions;
  /** The command that draws a picture again; without one, the command is put together. */
  readonly commandFor: (seed: number | bigint) => string;
}

export interface Job {
  readonly prompt: string;
  readonly seed: number | bigint;
  readonly num: number;
  readonly values: OptionValues;
  readonly target: PictureTarget;
  readonly source: PictureSource;
  readonly replay?: Replay | undefined;
}

/** One entry of `--json`; fields may be added, never renamed. */
export interface ImageRecord {
  readonly path: string;
  /** Text above 2⁵³ − 1. */
  readonly seed: number | string;
  readonly width: number;
  readonly height: number;
  readonly prompt: string;
  readonly model: string;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly elapsedMs: number;
  readonly altText: Omit<AltText, 'language'>;
  readonly variationSeed?: number | string;
  readonly variationStrength?: number;
  /** Of pictures drawn from a picture. */
  readonly strength?: number;
}

/** What was drawn, in the order of the seeds. */
export interface Drawn {
  readonly images: readonly ImageRecord[];
  readonly recipes: readonly Recipe[];
  readonly warnings: readonly string[];
}

export async function generate(
  { words, values }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const prompt = promptOf(words, terminal.say);
  const seed = absoluteSeed(values, terminal.say);
  const job = await readJob(prompt, { values, seed }, terminal);
  const { images, warnings } = await drawJob(job, terminal, signal);
  if (values.json) terminal.print(JSON.stringify({ images, warnings }));
  return 0;
}

/** Draws a job, says what it does, and returns what it drew. */
export async function drawJob(job: Job, terminal: Terminal, signal: AbortSignal): Promise<Drawn> {
  const { values } = job;
  const images: ImageRecord[] = [];
  const recipes: Recipe[] = [];
  const warnings: string[] = [];
  try {
    const model = await locateModel(values, terminal, signal);
    for await (const result of draw(job, model, terminal, signal)) {
      if (typeof result === 'string') {
        warnings.push(result);
        noteWarning(result, terminal);
      } else {
        images.push(result.record);
        recipes.push(result.recipe);
      }
    }
  } catch (error) {
    if (values.json && images.length > 0) {
      const paths = images.map(({ path }) => printable(path)).join(' ');
      terminal.note(terminal.say('note.kept', { paths }));
    }
    throw error;
  }
  return { images, recipes, warnings };
}

function promptOf(words: readonly string[], say: Say): string {
  const prompt = words.join(' ');
  if (prompt.trim() !== '') return prompt;
  const example = `${say('program')} "a red apple, flat"`;
  const next = say('usage.promptNext', { example });
  const got = words.length === 0 ? {} : { got: JSON.stringify(prompt) };
  throw usageError(say, { where: say('program'), expected: say('usage.prompt'), ...got, next });
}

interface Asked {
  readonly values: OptionValues;
  /** Of the first picture; at random when left out. */
  readonly seed: number | bigint | undefined;
  readonly replay?: Replay;
}

/** Everything that can be refused before the model is loaded is refused here. */
export async function readJob(
  prompt: string,
  { values, seed: asked, replay }: Asked,
  { say, folder }: Terminal,
): Promise<Job> {
  const num = values.num ?? 1;
  const seed = asked ?? randomInt(2 ** 32 - num);
  const max = Number.MAX_SAFE_INTEGER - num + 1;
  if (typeof seed === 'number' && seed > max) {
    const expected = say('usage.wholeNumber', { min: 0, max });
    throw usageError(say, { where: '--seed', expected, got: `${seed}` });
  }
  const target = await pictureTarget(values, folder, say);
  requireQuality(values, target, say);
  await requireWritable(target);
  const source = await readSource(values, { say, folder });
  return { prompt, seed, num, values, target, source, replay };
}

function requireQuality({ quality }: OptionValues, { format }: PictureTarget, say: Say): void {
  if (quality === undefined || format === 'webp') return;
  if (format === 'jpeg' && quality !== 'lossless') return;
  const expected = say(quality === 'lossless' ? 'usage.webp' : 'usage.lossy');
  throw usageError(say, { where: '--quality', expected, got: format === 'jpeg' ? 'JPEG' : 'PNG' });
}

/** Draws and writes; yields warnings, and the record of each picture once it is on disk. */
async function* draw(
  job: Job,
  { path, ...options }: FoundModel,
  terminal: Terminal,
  signal: AbortSignal,
): AsyncGenerator<string | { record: ImageRecord; recipe: Recipe }> {
  const { values, num } = job;
  const { say, folder } = terminal;
  const progress = new Progress(terminal);
  const show = (state: ProgressState): void => {
    if (!values.quiet) progress.report(state);
  };
  try {
    show({ label: say('generate.loading'), done: 0, total: 0 });
    const { threads, device } = values;
    await using pipeline = await TextToImage.fromPretrained(path, {
      ...job.replay?.model,
      ...given({ ...options, ...additions(values, folder), threads, device }),
      signal,
    });
    yield* pipeline.warnings;
    yield* job.source.notes;
    for await (const event of pipeline.stream(job.prompt, drawOptions(job, signal))) {
      if (event.kind === 'step') show(stepProgress(event, num, say));
      else progress.clear();
      if (event.kind === 'warning') yield event.message;
      if (event.kind === 'image') yield* keep(event.picture, job, terminal);
    }
  } finally {
    progress.clear();
  }
}

/** What is added to the model; paths are relative to the folder the command runs in. */
function additions(
  { vae, lora, embedding, prediction }: OptionValues,
  folder: string,
): FromPretrainedOptions {
  return {
    vae: vae === undefined ? undefined : resolve(folder, vae),
    loras: lora?.map(({ path, weight }) => ({ path: resolve(folder, path), weight })),
    textualInversions: embedding?.map((path) => ({ path: resolve(folder, path) })),
    predictionType: prediction,
  };
}

function stepProgress(
  { image, step, steps }: Extract<GenerationEvent, { kind: 'step' }>,
  num: number,
  say: Say,
): ProgressState {
  const drawing = say('generate.drawing');
  const label = num === 1 ? drawing : `${drawing} ${image + 1}/${num}`;
  return { label, done: image * steps + step, total: num * steps };
}

function drawOptions(job: Job, signal: AbortSignal): GenerateOptions {
  const { seed, num, values, source, replay } = job;
  const { steps, guidance, negative, size, sampler, schedule, syntax, noise, alt } = values;
  const { init, mask, origins } = source;
  const asked = given<GenerateOptions>({
    seed,
    num,
    steps,
    guidanceScale: guidance,
    guidanceRescale: values['guidance-rescale'],
    negativePrompt: negative,
    promptSyntax: syntax,
    sampler,
    schedule,
    noiseSource: noise,
    clipSkip: values['clip-skip'],
    init,
    mask,
    origins,
    maskBlur: values['mask-blur'],
    onlyMasked: values['only-masked'],
    strength: values.strength ?? (values.vary === undefined ? undefined : variation.strength),
    variationSeed: values['variation-seed'],
    variationStrength: variationStrengthOf(values),
    altText: alt === undefined ? undefined : { alt, description: alt },
    ...size,
  });
  const options = { ...replay?.generate, ...asked, signal };
  // Another sampler comes with its own schedule, and no variation has no seed.
  if (sampler !== undefined && schedule === undefined) options.schedule = undefined;
  if (!options.variationStrength && values['variation-seed'] === undefined) {
    options.variationSeed = undefined;
  }
  return options;
}

/** The options that have a value. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}

/** Writes one picture and says so; yields what did not fit into the file, then its record. */
async function* keep(
  image: GeneratedImage,
  job: Job,
  terminal: Terminal,
): AsyncGenerator<string | { record: ImageRecord; recipe: Recipe }> {
  const { prompt, values, target } = job;
  const { width, height, steps, guidanceScale, strength, variationStrength } = image;
  const { metadata, quality } = values;
  const file = await encodePicture(image, { format: target.format, metadata, quality });
  yield* file.warnings;
  const path = await writePicture(target, file.bytes, prompt, image.seed);
  const { seed, variationSeed } = image;
  if (!values.json) announce(image, path, job, terminal);
  const { alt, description, source } = image.altText;
  const record: ImageRecord = {
    ...{ path, seed: jsonSeed(seed), width, height, prompt },
    model: values.model ?? image.model,
    ...{ steps, guidanceScale, elapsedMs: Math.round(image.elapsedMs) },
    altText: { alt, description, source },
    ...(variationSeed !== undefined && { variationSeed: jsonSeed(variationSeed) }),
    ...(variationStrength !== undefined && { variationStrength }),
    ...(strength !== undefined && { strength }),
  };
  yield { record, recipe: image.recipe };
}

/** JSON readers take numbers above 2⁵³ − 1 for others. */
export function jsonSeed(seed: number | bigint): number | string {
  return typeof seed === 'bigint' ? `${seed}` : seed;
}

type SeedsOfOne = Pick<GeneratedImage, 'seed' | 'variationSeed'>;

/** Where and how to put it: what the picture does not depend on. */
const notInCommand: ReadonlySet<string> = new Set([
  'seed',
  'variation-seed',
  'num',
  'out',
  'format',
  'quality',
  'metadata',
  'alt',
  'json',
  'quiet',
  'offline',
  'yes',
]);

/** What to write after an option to say its value again, once for each item of a list. */
function optionTexts(value: OptionValues[keyof OptionValues] | bigint): string[] {
  if (value === undefined) return [];
  if (typeof value !== 'object') return [String(value)];
  if (value instanceof SeedShift) return [signed(value)];
  if ('width' in value) return [`${value.width}x${value.height}`];
  return value.map((item: string | LoraValue) => {
    if (typeof item === 'string') return item;
    return item.weight === 1 ? item.path : `${item.path}:${item.weight}`;
  });
}

/** A command line that draws the same picture: everything asked for but where and how to put it. */
function commandFor(
  prompt: string,
  { seed, variationSeed }: SeedsOfOne,
  values: OptionValues,
  say: Say,
): string {
  const words = quoteForShell(prompt);
  const isPlain = isReadAsPrompt(prompt, say);
  const parts = [say('program'), ...(isPlain ? [words] : [])];
  parts.push(
    ...[['seed', seed] as const, ['variation-seed', variationSeed] as const].flatMap(optionWords),
    ...optionsForCommand(values),
  );
  return [...parts, ...(isPlain ? [] : ['--', words])].join(' ');
}

/** The options a picture depends on, seeds aside, as they are typed. */
export function optionsForCommand(values: OptionValues): string[] {
  const kept = Object.entries(values).filter(([name]) => !notInCommand.has(name));
  return kept.flatMap(optionWords);
}

function optionWords([name, value]: readonly [
  string,
  OptionValues[keyof OptionValues] | bigint,
]): string[] {
  return optionTexts(value).map(
    (text) => `--${name}${text.startsWith('-') ? '=' : ' '}${quoteForShell(text)}`,
  );
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

/** Path, seed and the command to draw it again; with a preview where one can be shown. */
function announce(
  image: GeneratedImage,
  path: string,
  { prompt, values, replay }: Job,
  terminal: Terminal,
): void {
  const { say } = terminal;
  const shown = printable(shortPath(path, terminal.folder));
  if (values.quiet) {
    terminal.print(shown);
    return;
  }
  const kind = previewKind(terminal);
  if (kind) terminal.raw('stdout', preview(kind, shownPicture(image), terminal.columns('stdout')));
  terminal.print(terminal.style('stdout', 'bold', shown));
  terminal.print(say('generate.seed', { seed: `${image.seed}` }));
  const command = replay?.commandFor(image.seed) ?? commandFor(prompt, image, values, say);
  terminal.print(say('generate.again', { command }));
}

/** The pixels, and as a PNG whatever the file's format is. */
function shownPicture({ width, height, pixels: data }: GeneratedImage): PreviewPicture {
  const picture = { width, height, channels: 3, data } as const;
  return { ...picture, png: encodePng(picture) };
}

export function noteWarning(warning: string, terminal: Terminal): void {
  const label = terminal.style('stderr', 'yellow', `${terminal.say('warning.label')}:`);
  terminal.note(`${label} ${printable(warning)}`);
}
