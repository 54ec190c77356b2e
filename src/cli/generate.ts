/** @file `maliang generate`: pictures of a prompt as files, each with its seed and the command to make it again. */

import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { encodePng } from '../formats/png.js';
import type { Captioner } from '../metrics/captioner.js';
import type { Judges } from '../metrics/judges.js';
import type { BestOfReport } from '../pipelines/best-of.js';
import type { FastReport } from '../pipelines/fast-plan.js';
import type { GenerateOptions } from '../pipelines/generation-request.js';
import { type AltText, describePicture } from '../pipelines/provenance/alt-text.js';
import { encodePicture } from '../pipelines/provenance/encode-file.js';
import type { Recipe } from '../pipelines/provenance/recipe.js';
import {
  type FromPretrainedOptions,
  type GeneratedImage,
  type GenerationEvent,
  TextToImage,
} from '../pipelines/text-to-image.js';
import { checkBestOf, drawBest, printRanking, rankingJson, writeSheet } from './best-of.js';
import { isBlank, spelledOut } from './blank-text.js';
import { openCaptioner } from './caption.js';
import { commandFor } from './draw-command.js';
import type { Interruption } from './interruption.js';
import { jsonSeed } from './json-seed.js';
import type { Say } from './messages.js';
import { type FoundModel, locateModel } from './models-download.js';
import { noteWarning } from './note-warning.js';
import { openMatcher } from './open-judges.js';
import type { OptionValues } from './option-table.js';
import type { Invocation } from './parse.js';
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
import { printable } from './printable.js';
import { Progress, type ProgressState } from './progress.js';
import { absoluteSeed } from './seed-option.js';
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
  /** What the fast mode left out. */
  readonly fast?: FastReport;
}

/** What was drawn, in the order of the seeds. */
export interface Drawn {
  readonly images: readonly ImageRecord[];
  readonly recipes: readonly Recipe[];
  readonly warnings: readonly string[];
  /** Of all candidates of --best-of. */
  readonly ranking?: BestOfReport | undefined;
}

export async function generate(
  { words, values }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const prompt = promptOf(words, terminal.say);
  const seed = absoluteSeed(values, terminal.say);
  const job = await readJob(prompt, { values, seed }, terminal);
  const { images, warnings, ranking } = await drawJob(job, terminal, signal);
  if (values.json) {
    const told = ranking && { ranking: rankingJson(ranking) };
    terminal.print(JSON.stringify({ images, ...told, warnings }));
  }
  return 0;
}

/** Draws a job, says what it does, and returns what it drew. */
export async function drawJob(job: Job, terminal: Terminal, signal: AbortSignal): Promise<Drawn> {
  const { values } = job;
  const images: ImageRecord[] = [];
  const recipes: Recipe[] = [];
  const warnings: string[] = [];
  let ranking: BestOfReport | undefined;
  try {
    const model = await locateModel(values, terminal, signal);
    for await (const result of draw(job, model, terminal, signal)) {
      if (typeof result === 'string') {
        warnings.push(result);
        noteWarning(result, terminal);
      } else if ('record' in result) {
        images.push(result.record);
        recipes.push(result.recipe);
      } else ranking = result;
    }
  } catch (error) {
    if (values.json && images.length > 0) {
      const paths = images.map(({ path }) => printable(path)).join(' ');
      terminal.note(terminal.say('note.kept', { paths }));
    }
    throw error;
  }
  return { images, recipes, warnings, ranking };
}

function promptOf(words: readonly string[], say: Say): string {
  const prompt = words.join(' ');
  if (!isBlank(prompt)) return prompt;
  const example = `${say('program')} "a red apple, flat"`;
  const next = say('usage.promptNext', { example });
  const got = words.length === 0 ? {} : { got: spelledOut(prompt) };
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
  checkBestOf(values, say);
  const num = values.num ?? values['best-of'] ?? 1;
  const seed = asked ?? randomInt(2 ** 32 - num);
  const max = Number.MAX_SAFE_INTEGER - num + 1;
  if (typeof seed === 'number' && seed > max) {
    const expected = say('usage.wholeNumber', { min: 0, max });
    throw usageError(say, { where: '--seed', expected, got: `${seed}` });
  }
  const count = values['best-of'] === undefined ? num : (values.keep ?? 1);
  const target = await pictureTarget({ ...values, num: count }, folder, say);
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
): AsyncGenerator<string | KeptPicture | BestOfReport> {
  const { values, num } = job;
  const { say, folder } = terminal;
  const progress = new Progress(terminal);
  const show = (state: ProgressState): void => {
    if (!values.quiet) progress.report(state);
  };
  try {
    show({ label: say('generate.loading'), done: 0, total: 0 });
    const { threads, device, precision } = values;
    await using pipeline = await TextToImage.fromPretrained(path, {
      ...job.replay?.model,
      ...given({
        ...options,
        ...additions(values, folder),
        threads,
        device,
        precision,
        lowMemory: values['low-memory'],
      }),
      signal,
    });
    yield* pipeline.warnings;
    yield* job.source.notes;
    await using captioner = await captionerOf(values, terminal, signal);
    await using matcher = captioner && (await openMatcher(values, terminal, signal));
    const keeping = { job, terminal, captioner, matcher, signal };
    const isChosen = values['best-of'] !== undefined;
    const wanted = drawOptions(job, signal);
    const events = isChosen
      ? drawBest(pipeline, job.prompt, wanted, { values, terminal, signal })
      : pipeline.stream(job.prompt, wanted);
    for await (const event of events) {
      if (event.kind === 'step') show(stepProgress(event, values['best-of'] ?? num, say));
      else progress.clear();
      if (event.kind === 'warning') yield event.message;
      if (event.kind === 'image' && !isChosen) yield* keep(event.picture, keeping);
      if (event.kind !== 'ranking') continue;
      await writeSheet(event.finished, values, folder);
      if (!values.json && !values.quiet) printRanking(event.report, terminal);
      for (const picture of event.kept) yield* keep(picture, keeping);
      yield event.report;
    }
  } finally {
    progress.clear();
  }
}

function captionerOf(
  values: OptionValues,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Captioner | undefined> {
  const { captioner } = values;
  if (captioner === undefined) return Promise.resolve(undefined);
  return openCaptioner(captioner, values, terminal, signal);
}

/** Alt text out of what a captioning model sees, and how well a matching model finds that to fit. */
async function seenIn(
  image: GeneratedImage,
  captioner: Captioner,
  { job: { values }, matcher, signal }: Keeping,
): Promise<AltText> {
  const { syntax: promptSyntax = 'a1111', alt, model = image.model } = values;
  const { width, height, pixels: data, prompt } = image;
  const picture = { width, height, channels: 3, data } as const;
  const { text: caption } = await captioner.caption(picture, { signal });
  const match = await matcher?.score([picture], caption, { signal });
  const seen = { caption, captionConfidence: match?.scores[0]?.values[0]?.[0] };
  const words = alt === undefined ? seen : { ...seen, alt, description: alt };
  return describePicture({ prompt, promptSyntax, model, width, height }, words);
}

/** What is added to the model; paths are relative to the folder the command runs in. */
function additions(
  { vae, lora, embedding, prediction, 'preview-decoder': decoder }: OptionValues,
  folder: string,
): FromPretrainedOptions {
  return {
    vae: vae === undefined ? undefined : resolve(folder, vae),
    previewDecoder: decoder === undefined ? undefined : resolve(folder, decoder),
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
    tiling: values.tile,
    fast: values.fast,
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

interface KeptPicture {
  readonly record: ImageRecord;
  readonly recipe: Recipe;
}

interface Keeping {
  readonly job: Job;
  readonly terminal: Terminal;
  readonly captioner: Captioner | undefined;
  readonly matcher: Judges | undefined;
  readonly signal: AbortSignal;
}

/** Writes one picture and says so; yields what did not fit into the file, then its record. */
async function* keep(
  image: GeneratedImage,
  keeping: Keeping,
): AsyncGenerator<string | KeptPicture> {
  const { job, terminal, captioner } = keeping;
  const { prompt, values, target } = job;
  const { width, height, steps, guidanceScale, strength, variationStrength } = image;
  const { metadata, quality } = values;
  const altText = captioner ? await seenIn(image, captioner, keeping) : image.altText;
  const file = await encodePicture(image, { format: target.format, metadata, quality, altText });
  yield* file.warnings;
  const path = await writePicture(target, file.bytes, prompt, image.seed);
  const { seed, variationSeed } = image;
  if (!values.json) announce(image, path, job, terminal);
  const { alt, description, source } = altText;
  const record: ImageRecord = {
    ...{ path, seed: jsonSeed(seed), width, height, prompt },
    model: values.model ?? image.model,
    ...{ steps, guidanceScale, elapsedMs: Math.round(image.elapsedMs) },
    altText: { alt, description, source },
    ...(variationSeed !== undefined && { variationSeed: jsonSeed(variationSeed) }),
    ...(variationStrength !== undefined && { variationStrength }),
    ...(strength !== undefined && { strength }),
    ...(image.fast && { fast: image.fast }),
  };
  yield { record, recipe: image.recipe };
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
