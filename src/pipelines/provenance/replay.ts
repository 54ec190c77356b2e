/** @file From a recipe back to the options that draw the picture again, and what differs when it is done. */
import type { GenerateOptions } from '../generation-request.js';
import type { FromPretrainedOptions } from '../text-to-image.js';
import { readPath } from './home-path.js';
import type { Recipe } from './recipe.js';

/** Options of `generate`; `init`, `mask` and latents are the caller's to add. */
export function generateOptionsOf(recipe: Recipe): GenerateOptions {
  const { start, variation, fast, sizes = {} } = recipe;
  const hasStart = start !== undefined;
  return {
    negativePrompt: recipe.negativePrompt ?? undefined,
    promptSyntax: recipe.promptSyntax,
    emphasis: recipe.emphasis,
    seed: recipe.seed,
    variationSeed: variation?.seed,
    variationStrength: variation?.strength,
    steps: recipe.steps,
    sampler: recipe.sampler.name ?? undefined,
    schedule: recipe.schedule ?? undefined,
    guidanceScale: recipe.guidanceScale,
    guidanceRescale: recipe.guidanceRescale,
    eta: recipe.eta,
    clipSkip: recipe.clipSkip,
    maxSequenceLength: recipe.maxSequenceLength,
    noiseSource: recipe.noiseSource,
    width: recipe.width,
    height: recipe.height,
    denoisingEnd: recipe.denoisingEnd,
    tiling: recipe.tiling,
    fast: fast && {
      guidance: [fast.guidedFrom, fast.guidedTo],
      interval: fast.interval,
      branch: fast.branch,
    },
    ...(hasStart && {
      strength: recipe.strength,
      encodeMode: recipe.encodeMode,
      fit: recipe.fit,
      denoisingStart: recipe.denoisingStart,
    }),
    ...(recipe.mask !== undefined && {
      maskBlur: recipe.maskBlur,
      onlyMasked: recipe.onlyMasked,
    }),
    ...sizes,
  };
}

/** Options of `fromPretrained`, its path aside. Network paths are left out; see `readPath`. */
export function modelOptionsOf({
  model,
  vae,
  loras,
  embeddings,
  fast,
  run,
}: Recipe): FromPretrainedOptions {
  const place = (path: string): string => readPath(path) ?? path.replace(/^[\\/]+/, '');
  return {
    variant: model.variant,
    revision: model.commit,
    predictionType: model.predictionType,
    config: model.config === undefined ? undefined : place(model.config),
    vae: vae && place(vae.path),
    loras: loras?.map(({ path, weight, textWeight }) => ({
      path: place(path),
      weight,
      textWeight,
    })),
    textualInversions: embeddings?.map(({ path, token }) => ({ path: place(path), token })),
    previewDecoder: fast?.decoder === undefined ? undefined : place(fast.decoder),
    lowMemory: run.memory === 'low' ? true : undefined,
    precision: run.precision,
    threads: run.threads ?? undefined,
    device: run.device,
  };
}

/** One thing that is not as it was. */
export interface Difference {
  /** Path in the recipe, such as `model.sha256`. */
  readonly what: string;
  readonly before: string;
  readonly now: string;
}

/** Everything that two recipes say otherwise, the pixels aside. */
export function differencesOf(before: Recipe, now: Recipe): Difference[] {
  const [old, fresh] = [leaves(before), leaves(now)];
  const names = [...new Set([...old.keys(), ...fresh.keys()])];
  return names.flatMap((what) => {
    const [was, is] = [old.get(what) ?? 'none', fresh.get(what) ?? 'none'];
    return was === is || notCompared.has(what) ? [] : [{ what, before: was, now: is }];
  });
}

/** Where a file lies does not matter while its hash is the same. */
const notCompared = new Set([
  'pixels',
  'start.path',
  'mask.path',
  'vae.path',
  'fast.decoder',
  'model.source',
  'model.name',
  'model.commit',
  'model.variant',
  'model.config',
]);

function leaves(value: unknown, at = ''): Map<string, string> {
  if (value === undefined) return new Map();
  if (typeof value !== 'object' || value === null) return new Map([[at, String(value)]]);
  const entries = Object.entries(value).flatMap(([name, one]) => {
    const isLocation = name === 'path' && /^(loras|embeddings)\./.test(at);
    return isLocation ? [] : [...leaves(one, at === '' ? name : `${at}.${name}`)];
  });
  return new Map(entries);
}
