/** @file Stage 2, noise to latents: the sampler runs over the denoiser; each picture has a generator of its own. */
import { TorchGenerator } from '../core/random.js';
import { elementCount } from '../core/tensor-data.js';
import type { StepEvent } from '../schedulers/sampler.js';
import { guidedDenoiser } from './denoiser.js';
import type { Conditioning } from './encode-prompt.js';
import type { GenerationRequest } from './generation-request.js';
import type { SessionCache } from './session-cache.js';
import { stepStream } from './step-stream.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** What the text says, and what it does not when there is guidance. */
export interface Conditionings {
  readonly positive: Conditioning;
  readonly negative: Conditioning | undefined;
}

/** Model calls of one picture. */
export function countSteps({ sampler, steps }: GenerationRequest): number {
  return sampler.plan({ steps }).timesteps.length;
}

/** Yields every step of the picture with `seed`; returns its latents [c·h·w]. */
export function denoise(
  model: TextToImageModel,
  sessions: SessionCache,
  request: GenerationRequest,
  conditionings: Conditionings,
  seed: bigint,
): AsyncGenerator<StepEvent, Float32Array, undefined> {
  const { sampler, steps, latentShape, guidance, timeIds, eta, signal } = request;
  const generator = new TorchGenerator(seed);
  const count = elementCount(latentShape);
  const trajectory = sampler.plan({ steps });
  const scale = trajectory.initialNoiseScale;
  const start = generator.randn(count).map((value) => value * scale);
  const { positive, negative } = conditionings;
  const denoiser = guidedDenoiser(model.denoiser, sessions, {
    positive: { ...positive, timeIds: timeIds.positive },
    negative: negative && { ...negative, timeIds: timeIds.negative },
    latentShape,
    guidance,
    signal,
  });
  return stepStream(
    (call, onStep) =>
      trajectory.sample(call, start, {
        eta,
        noise: () => generator.randn(count),
        onStep,
        ...(signal && { signal }),
      }),
    denoiser,
  );
}
