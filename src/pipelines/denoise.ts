/** @file Stage 3, noise to latents: the sampler runs over the denoiser; each picture has a stream of numbers of its own. */
import { noiseSource } from '../core/random-source.js';
import { elementCount } from '../core/tensor-data.js';
import type { StepEvent } from '../schedulers/sampler.js';
import type { Conditionings } from './conditionings.js';
import { guidedDenoiser } from './denoiser.js';
import type { CallTally } from './fast-plan.js';
import type { GenerationRequest } from './generation-request.js';
import type { PictureSeed } from './picture-seeds.js';
import type { SessionCache } from './session-cache.js';
import { type EncodedSource, startLatents } from './start-latents.js';
import { stepStream } from './step-stream.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** What all pictures of a request have in common. */
export interface Prepared {
  readonly request: GenerationRequest;
  readonly conditionings: Conditionings;
  readonly source: EncodedSource;
}

/** One picture of them. */
export interface Drawn extends PictureSeed {
  readonly tally?: CallTally;
}

/** Yields every step of the picture with `seed`; returns its latents [c·h·w]. */
export async function* denoise(
  model: TextToImageModel,
  sessions: SessionCache,
  { request, conditionings, source }: Prepared,
  seed: Drawn,
): AsyncGenerator<StepEvent, Float32Array, undefined> {
  const { latentShape, guidance, eta, signal, trajectory, range } = request;
  const noise = noiseSource(request.noiseSource, seed.seed);
  const start = startLatents(model, { request, source, seed, noise });
  if (range.start === range.end) return start.x;
  const { adjust, extraChannels } = start;
  const denoiser = guidedDenoiser(model.denoiser, sessions, {
    ...conditionings,
    latentShape,
    guidance,
    extraChannels,
    plan: request.fast,
    tally: seed.tally,
    signal,
  });
  const steps = stepStream(
    (call, onStep) =>
      trajectory.sample(call, start.x, {
        start: range.start,
        eta,
        noise: () => noise.randn(elementCount(latentShape)),
        brownianSeeds: [seed.seed],
        onStep,
        ...(adjust && { adjust }),
        ...(signal && { signal }),
      }),
    denoiser,
  );
  for (;;) {
    const next = await steps.next();
    if (next.done) return next.value;
    yield next.value;
    if (next.value.step + 1 < range.end) continue;
    await steps.return(next.value.x);
    return next.value.x;
  }
}
