/** @file What the loops of all samplers share: the order of calls, checks of what comes in, telling what goes out. */
import { complain, throwIfAborted } from '../core/errors.js';
import {
  checkedOutput,
  checkedStart,
  type Denoise,
  finishStep,
  freshNoise,
  type SampleOptions,
} from './sampler.js';

/** What a run needs to know of its plan. */
interface RunPlan {
  readonly timesteps: readonly number[];
}

/** One pass of a sampler over its timesteps. */
export class SamplerRun {
  readonly #where: string;
  readonly #timesteps: readonly number[];
  readonly #denoise: Denoise;
  readonly options: SampleOptions;
  /** First index into the timesteps. */
  readonly start: number;
  /** End of the timesteps. */
  readonly end: number;

  /** `order` is the number of model calls of a step; a run starts at a whole step. */
  constructor(
    where: string,
    plan: RunPlan,
    denoise: Denoise,
    { order = 1, ...options }: SampleOptions & { readonly order?: number },
  ) {
    this.#where = where;
    this.#timesteps = plan.timesteps;
    this.#denoise = denoise;
    this.options = options;
    this.end = plan.timesteps.length;
    this.start = checkedStart(where, options.start ?? 0, this.end);
    if (this.start % order !== 0 && this.start !== this.end)
      throw halfStep(where, order, this.start);
  }

  /** The raw model output for `x`, `width` times as long as it. */
  async output(x: Float32Array, call: number, width = 1): Promise<Float32Array> {
    throwIfAborted(this.#where, this.options.signal);
    const output = await this.#denoise(x, this.#timesteps[call]!, call);
    return checkedOutput(this.#where, output, x.length * width);
  }

  /** Fresh standard normals, as many as the latents have values. */
  noise(call: number, length: number): Float32Array {
    return freshNoise(this.#where, this.options, call, length);
  }

  /** Tells the outcome of a call; gives the latents to go on with. */
  finish(call: number, x: Float32Array, denoised: Float32Array): Float32Array {
    return finishStep({ step: call, timestep: this.#timesteps[call]!, x, denoised }, this.options);
  }
}

function halfStep(where: string, order: number, start: number) {
  return complain('USAGE', {
    where,
    expected: `a start that is a multiple of ${order}, as each step takes ${order} calls`,
    got: `${start}`,
    next: 'Multiply the number of skipped steps by `order`.',
  });
}
