/** @file Samplers that only k-diffusion has: DPM-Solver++(2S) ancestral and DPM-Solver++(3M) SDE, Lu et al. 2022. */
import { brownianNoise } from './brownian.js';
import { combine, slope } from './combine.js';
import { denoisedAtSigma, noisedAtSigma, scaledInput } from './denoisers.js';
import { brownianSeedsOf } from './dpm-solver-sde.js';
import { checkedChurn, type EulerConfig, eulerSchedule } from './euler.js';
import { ancestralStep } from './euler-ancestral.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { type SigmaSchedule, twice } from './sigma-schedule.js';
import { timestepOf } from './training-sigmas.js';

const f = Math.fround;

/** Runs DPM-Solver++(2S) steps to a lower σ and makes it up with fresh noise, drawn once per whole step. */
export async function sampleDpmpp2sAncestral(
  denoise: Denoise,
  x: Float32Array,
  schedule: SigmaSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType } = schedule;
  const run = new SamplerRun('DPM++ 2S ancestral', schedule, denoise, { ...options, order: 2 });
  const { noiseScale } = checkedChurn(options.churn);
  const denoisedBy = async (input: Float32Array, sigma: number, call: number) =>
    denoisedAtSigma(
      predictionType,
      sigma,
      input,
      await run.output(scaledInput(input, sigma), call),
    );
  for (let call = run.start; call < run.end; call += 2) {
    const [sigma, next] = [sigmas[call / 2]!, sigmas[call / 2 + 1]!];
    const denoised = await denoisedBy(x, sigma, call);
    if (next === 0) {
      const last = combine([1, x], [-sigma, slope(x, denoised, sigma)]);
      return run.finish(call, last, denoised);
    }
    const { up, middle, h } = halfStep(sigma, next);
    const half = -f(Math.expm1(f(-h * 0.5)));
    const ahead = combine([f(middle / sigma), x], [half, denoised]);
    const again = await denoisedBy(run.finish(call, ahead, denoised), middle, call + 1);
    const moved = combine([f(Math.exp(-h)), x], [-f(Math.expm1(-h)), again]);
    const noise = combine([noiseScale, run.noise(call + 1, x.length)]);
    x = run.finish(call + 1, combine([1, moved], [up, noise]), again);
  }
  return x;
}

/** Runs DPM-Solver++(3M) SDE steps: looks back at two estimates; noise comes from a Brownian path. */
export async function sampleDpmpp3mSde(
  denoise: Denoise,
  x: Float32Array,
  schedule: SigmaSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType } = schedule;
  const run = new SamplerRun('DPM++ 3M SDE', schedule, denoise, options);
  const { noiseScale } = checkedChurn(options.churn);
  const seeds = brownianSeedsOf('DPM++ 3M SDE', options);
  const positive = sigmas.filter((sigma) => sigma > 0);
  const noise = brownianNoise(seeds, x.length, [Math.min(...positive), Math.max(...positive)]);
  const estimates: Float32Array[] = [];
  for (let step = run.start; step < run.end; step++) {
    const [sigma, next] = [sigmas[step]!, sigmas[step + 1]!];
    const output = await run.output(scaledInput(x, sigma), step);
    const denoised = denoisedAtSigma(predictionType, sigma, x, output);
    estimates.unshift(denoised);
    if (next === 0) return run.finish(step, denoised, denoised);
    const h = gap(sigmas, step);
    const twiceH = f(2 * h);
    const fresh = combine([next, noise(sigma, next)]);
    const spread = f(Math.sqrt(-f(Math.expm1(-twiceH))));
    const sum: [number, Float32Array][] = [
      [Math.exp(-twiceH), x],
      [-f(Math.expm1(-twiceH)), denoised],
      ...differences(sigmas, step, estimates.slice(0, 3)),
      [noiseScale, combine([spread, fresh])],
    ];
    x = run.finish(step, combine(...sum), denoised);
  }
  return x;
}

/** The trajectory of a run of either sampler, on the noise levels of an Euler configuration. */
export function planDpmpp2sAncestral(config: EulerConfig, request: PlanRequest): Trajectory {
  const levels = eulerSchedule(config, request);
  const toTimestep = timestepOf(levels.training);
  const timesteps = twice(levels.timesteps).map((t, i) =>
    i % 2 === 0
      ? t
      : f(toTimestep(halfStep(levels.sigmas[(i - 1) / 2]!, levels.sigmas[(i + 1) / 2]!).middle)),
  );
  return {
    timesteps,
    order: 2,
    initialNoiseScale: levels.initialNoiseScale,
    addNoise: (clean, noise, call) =>
      noisedAtSigma(levels.sigmas[Math.ceil(call / 2)]!, clean, noise),
    sample: (denoise, x, options) =>
      sampleDpmpp2sAncestral(denoise, x, { ...levels, timesteps }, options),
  };
}

export function planDpmpp3mSde(config: EulerConfig, request: PlanRequest): Trajectory {
  const schedule = eulerSchedule(config, request);
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: schedule.initialNoiseScale,
    addNoise: (clean, noise, step) => noisedAtSigma(schedule.sigmas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleDpmpp3mSde(denoise, x, schedule, options),
  };
}

/** Middle of an ancestral step in log σ. */
function halfStep(sigma: number, next: number) {
  const { up, down } = ancestralStep(sigma, next);
  const t = -f(Math.log(sigma));
  const h = f(-f(Math.log(down)) - t);
  return { up, h, middle: f(Math.exp(-f(t + f(h * 0.5)))) };
}

/** Differences of earlier estimates with their factors. */
function differences(
  sigmas: readonly number[],
  step: number,
  [m0, m1, m2]: readonly Float32Array[],
): [number, Float32Array][] {
  if (!m1) return [];
  const h = gap(sigmas, step);
  const twiceH = f(2 * h);
  const phi2 = f(f(f(Math.expm1(-twiceH)) / twiceH) + 1);
  const r0 = f(gap(sigmas, step - 1) / h);
  const near = slope(m0!, m1, r0);
  if (!m2) return [[phi2, near]];
  const r1 = f(gap(sigmas, step - 2) / h);
  const far = slope(m1, m2, r1);
  const total = f(r0 + r1);
  const first = near.map((v, i) => v + f(f(f(v - far[i]!) * r0) / total));
  const phi3 = f(f(phi2 / twiceH) - 0.5);
  return [
    [phi2, first],
    [-phi3, slope(near, far, total)],
  ];
}

/** −log σ gained in a step. */
function gap(sigmas: readonly number[], step: number): number {
  return f(f(Math.log(sigmas[step]!)) - f(Math.log(sigmas[step + 1]!)));
}
