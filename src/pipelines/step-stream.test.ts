import { expect, it } from 'vitest';
import type { StepEvent } from '../schedulers/sampler.js';
import { type Sampling, stepStream } from './step-stream.js';

const event = (step: number): StepEvent => {
  const x = Float32Array.of(step);
  return { step, timestep: 10 - step, x, denoised: x };
};

/** Calls the model `calls` times and tells a step before each call and after the last. */
const sampling =
  (calls: number): Sampling =>
  async (denoise, onStep) => {
    let x: Float32Array = Float32Array.of(0);
    for (let i = 0; i < calls; i++) {
      onStep(event(2 * i));
      onStep(event(2 * i + 1));
      x = await denoise(x, i, i);
    }
    onStep(event(2 * calls));
    return x;
  };

it('yields all steps in order and returns the latents', async () => {
  const stream = stepStream(sampling(2), async (x) => x.map((value) => value + 1));
  const steps: number[] = [];
  for (;;) {
    const next = await stream.next();
    if (next.done) {
      expect(next.value).toEqual(Float32Array.of(2));
      break;
    }
    steps.push(next.value.step);
  }
  expect(steps).toEqual([0, 1, 2, 3, 4]);
});

it('calls the model only when the steps before are taken, and never after it is left', async () => {
  let calls = 0;
  const stream = stepStream(sampling(3), async (x) => {
    calls++;
    return x;
  });
  for await (const { step } of stream) {
    expect(calls).toBe(Math.floor(step / 2));
    if (step === 2) break;
  }
  expect(calls).toBe(1);
});

it('fails as the model fails', async () => {
  const stream = stepStream(sampling(1), async () => {
    throw new Error('on purpose');
  });
  await stream.next();
  await stream.next();
  await expect(stream.next()).rejects.toThrow('on purpose');
  expect(await stream.next()).toEqual({ value: undefined, done: true });
});
