/** @file Whole pictures against diffusers: every step's latents, then the 8-bit picture. */
import { describe, expect, it } from 'vitest';
import { type TensorData, toFloat32 } from '../../src/core/tensor-data.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { pipelineCases, readPipelineCase, referenceFolder } from '../reference-folder.js';

const tolerance = 1e-4;

/** The arguments of the call, as diffusers names them, for picture `row`. */
function optionsOf(call: Readonly<Record<string, unknown>>, row: number): GenerateOptions {
  const size = (value: unknown) => {
    const [height, width] = value as [number, number];
    return { height, width };
  };
  const { original_size, target_size, crops_coords_top_left } = call;
  const [top, left] = (crops_coords_top_left ?? [0, 0]) as [number, number];
  return {
    seed: BigInt((call.seeds as string[])[row]!),
    steps: call.num_inference_steps as number,
    guidanceScale: call.guidance_scale as number,
    guidanceRescale: call.guidance_rescale as number | undefined,
    negativePrompt: (call.negative_prompt as string[] | undefined)?.[row],
    eta: call.eta as number | undefined,
    clipSkip: call.clip_skip as number | undefined,
    width: call.width as number,
    height: call.height as number,
    originalSize: original_size === undefined ? undefined : size(original_size),
    targetSize: target_size === undefined ? undefined : size(target_size),
    cropTopLeft: { top, left },
  };
}

/** Row `row` of a tensor [n, ..]. */
function rowOf(tensor: TensorData, row: number): Float32Array {
  const values = toFloat32(tensor);
  const length = values.length / tensor.shape[0]!;
  return values.subarray(row * length, (row + 1) * length);
}

/** Largest difference over the tolerance's scale. */
function relativeError(actual: Float32Array, reference: Float32Array): number {
  expect(actual.length).toBe(reference.length);
  const scale = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return reference.reduce((most, v, i) => Math.max(most, Math.abs(v - actual[i]!)), 0) / scale;
}

/** 0..1 in NCHW order -> 8-bit pixels in NHWC order, rounded as diffusers' numpy_to_pil does. */
function toBytes(planes: Float32Array): number[] {
  const area = planes.length / 3;
  return Array.from({ length: planes.length }, (_, i) => {
    const value = Math.fround(planes[(i % 3) * area + Math.floor(i / 3)]! * 255);
    const whole = Math.floor(value);
    const isUp = value - whole > 0.5 || (value - whole === 0.5 && whole % 2 === 1);
    return isUp ? whole + 1 : whole;
  });
}

describe.each(pipelineCases)('%s', (name) => {
  it('draws what diffusers draws', async () => {
    const { call, seen } = readPipelineCase(name);
    using folder = referenceFolder(name);
    await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
    for (const [row, prompt] of (call.prompt as string[]).entries()) {
      let steps = 0;
      for await (const event of pipe.stream(prompt, optionsOf(call, row))) {
        if (event.kind === 'step') {
          expect(event.timestep).toBe(Number(seen.get('timesteps')!.data[steps]));
          const reference = rowOf(seen.get(`latents.${steps++}`)!, row);
          expect(relativeError(event.latents.data, reference), `step ${event.step}`).toBeLessThan(
            tolerance,
          );
        }
        if (event.kind !== 'image') continue;
        const bytes = toBytes(rowOf(seen.get('picture')!, row));
        const { pixels } = event.picture;
        expect(pixels.length).toBe(bytes.length);
        const differences = bytes.map((byte, i) => Math.abs(byte - pixels[i]!));
        expect(Math.max(...differences)).toBeLessThanOrEqual(1);
        const unequal = differences.filter((difference) => difference > 0).length;
        expect(unequal / bytes.length).toBeLessThanOrEqual(0.001);
      }
      expect(steps).toBe(call.num_inference_steps);
    }
  });
});
