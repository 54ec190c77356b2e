/** @file `maliang generate`: pictures of a prompt as files, each with its seed and the command to make it again. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import type { GenerateOptions } from '../pipelines/generation-request.js';
import { picturePng } from '../pipelines/picture-png.js';
import {
  type FromPretrainedOptions,
  type GeneratedImage,
  type GenerationEvent,
  TextToImage,
} from '../pipelines/text-to-image.js';
import type { Interruption } from './interruption.js';
import type { Say } from './messages.js';
import { type FoundModel, locateModel } from './models-download.js';
import type { LoraValue, OptionValues } from './option-table.js';
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
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

interface Job {
  readonly prompt: string;
  readonly seed: number;
  readonly num: number;
  readonly values: OptionValues;
  readonly target: PictureTarget;
  readonly source: PictureSource;
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
  readonly variationSeed?: number;
  readonly variationStrength?: number;
  /** Of pictures drawn from a picture. */
  readonly strength?: number;
}

export async function generate(
  { words, values }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const job = await readJob(words, values, terminal);
  const images: ImageRecord[] = [];
  const warnings: string[] = [];
  try {
    const model = await locateModel(values, terminal, signal);
    for await (const result of draw(job, model, terminal, signal)) {
      if (typeof result === 'string') {
        warnings.push(result);
        noteWarning(result, terminal);
      } else images.push(result);
    }
  } catch (error) {
    if (values.json && images.length > 0) {
      const paths = images.map(({ path }) => printable(path)).join(' ');
      terminal.note(terminal.say('note.kept', { paths }));
    }
    throw error;
  }
  if (values.json) terminal.print(JSON.stringify({ images, warnings }));
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
  const max = Number.MAX_SAFE_INTEGER - num + 1;
  if (seed > max) {
    const expected = say('usage.wholeNumber', { min: 0, max });
    throw usageError(say, { where: '--seed', expected, got: `${seed}` });
  }
  const target = await pictureTarget(values.out, num, folder, say);
  await requireWritable(target);
  const source = await readSource(values, { say, folder });
  return { prompt, seed, num, values, target, source };
}

/** Draws and writes; yields warnings, and the record of each picture once it is on disk. */
async function* draw(
  job: Job,
  { path, ...options }: FoundModel,
  terminal: Terminal,
  signal: AbortSignal,
): AsyncGenerator<string | ImageRecord> {
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
      ...options,
      ...additions(values, folder),
      threads,
      device,
      signal,
    });
    yield* pipeline.warnings;
    yield* job.source.notes;
    for await (const event of pipeline.stream(job.prompt, drawOptions(job, signal))) {
      if (event.kind === 'step') show(stepProgress(event, num, say));
      else progress.clear();
      if (event.kind === 'warning') yield event.message;
      if (event.kind === 'image') yield await keep(event.picture, job, terminal);
    }
  } finally {
    progress.clear();
  }
}

/** What is added to the model; paths are relative to the folder the command runs in. */
function additions(
  { vae, lora = [], embedding = [], prediction }: OptionValues,
  folder: string,
): FromPretrainedOptions {
  return {
    vae: vae === undefined ? undefined : resolve(folder, vae),
    loras: lora.map(({ path, weight }) => ({ path: resolve(folder, path), weight })),
    textualInversions: embedding.map((path) => ({ path: resolve(folder, path) })),
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

function drawOptions({ seed, num, values, source }: Job, signal: AbortSignal): GenerateOptions {
  const { steps, guidance, negative, size, sampler, schedule, syntax, noise } = values;
  const { init, mask } = source;
  return {
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
    maskBlur: values['mask-blur'],
    onlyMasked: values['only-masked'],
    strength: values.strength ?? (values.vary === undefined ? undefined : variation.strength),
    variationSeed: values['variation-seed'],
    variationStrength: variationStrengthOf(values),
    signal,
    ...size,
  };
}

/** Writes one picture and says so. */
async function keep(image: GeneratedImage, job: Job, terminal: Terminal): Promise<ImageRecord> {
  const { prompt, values, target } = job;
  const { width, height, pixels, steps, guidanceScale, strength, variationStrength } = image;
  const png = picturePng(image);
  const seed = Number(image.seed);
  const path = await writePicture(target, png, prompt, seed);
  const data = { width, height, channels: 3 as const, data: pixels, png };
  const { variationSeed: other } = image;
  const variationSeed = other === undefined ? undefined : Number(other);
  announce(data, path, { seed, variationSeed }, job, terminal);
  const model = values.model ?? image.model;
  const elapsedMs = Math.round(image.elapsedMs);
  return {
    ...{ path, seed, width, height, prompt, model, steps, guidanceScale, elapsedMs },
    ...(variationSeed !== undefined && { variationSeed }),
    ...(variationStrength !== undefined && { variationStrength }),
    ...(strength !== undefined && { strength }),
  };
}

interface SeedsOfOne {
  readonly seed: number;
  readonly variationSeed: number | undefined;
}

/** Where and how to put it: what the picture does not depend on. */
const notInCommand: ReadonlySet<string> = new Set([
  'seed',
  'variation-seed',
  'num',
  'out',
  'json',
  'quiet',
  'offline',
  'yes',
]);

/** What to write after an option to say its value again, once for each item of a list. */
function optionTexts(value: OptionValues[keyof OptionValues]): string[] {
  if (value === undefined) return [];
  if (typeof value !== 'object') return [String(value)];
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
  const rest = Object.entries(values).filter(([name]) => !notInCommand.has(name));
  for (const [name, value] of [
    ['seed', seed] as const,
    ['variation-seed', variationSeed] as const,
    ...rest,
  ]) {
    for (const text of optionTexts(value)) {
      parts.push(`--${name}${text.startsWith('-') ? '=' : ' '}${quoteForShell(text)}`);
    }
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

/** Path, seed and the command to draw it again; with a preview where one can be shown. */
function announce(
  picture: PreviewPicture,
  path: string,
  seeds: SeedsOfOne,
  { prompt, values }: Job,
  terminal: Terminal,
): void {
  const { say } = terminal;
  if (values.json) return;
  const shown = printable(shortPath(path, terminal.folder));
  if (values.quiet) {
    terminal.print(shown);
    return;
  }
  const kind = previewKind(terminal);
  if (kind) terminal.raw('stdout', preview(kind, picture, terminal.columns('stdout')));
  terminal.print(terminal.style('stdout', 'bold', shown));
  terminal.print(say('generate.seed', { seed: seeds.seed }));
  terminal.print(say('generate.again', { command: commandFor(prompt, seeds, values, say) }));
}

function noteWarning(warning: string, terminal: Terminal): void {
  const label = terminal.style('stderr', 'yellow', `${terminal.say('warning.label')}:`);
  terminal.note(`${label} ${printable(warning)}`);
}
