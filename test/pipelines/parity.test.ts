/** @file Whole pictures against diffusers: every step's latents, then the 8-bit picture. */
import { describe, expect, it } from 'vitest';
import { type FloatTensor, type TensorData, toFloat32 } from '../../src/core/tensor-data.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { rewriting } from '../forced-rewrites.js';
import {
  pipelineCases,
  readPipelineCase,
  readPipelinePicture,
  referenceFolder,
} from '../reference-folder.js';

const tolerance = 1e-4;

type Call = Readonly<Record<string, unknown>>;

function sizeOf(value: unknown) {
  if (value === undefined) return undefined;
  const [height, width] = value as [number, number];
  return { height, width };
}

function cornerOf(value: unknown) {
  const [top, left] = (value ?? [0, 0]) as [number, number];
  return { top, left };
}

/** The picture a call starts from: a file, or the last latents of another case. */
function startOf(name: string, { image, mask_image }: Call): GenerateOptions {
  if (image === undefined) return {};
  const isFile = (image as string).endsWith('.png');
  if (!isFile) {
    const { call, seen } = readPipelineCase(image as string);
    const names = [...seen.keys()].filter((key) => /^latents\.\d+$/.test(key));
    expect(names.length).toBeLessThan(call.num_inference_steps as number);
    return { initLatents: seen.get(`latents.${names.length - 1}`) as FloatTensor };
  }
  const init = readPipelinePicture(name, image as string);
  return mask_image === undefined
    ? { init }
    : { init, mask: readPipelinePicture(name, mask_image as string) };
}

/** The arguments of the call, as diffusers names them, for picture `row`. */
function optionsOf(name: string, call: Call, row: number): GenerateOptions {
  return {
    ...startOf(name, call),
    promptSyntax: 'plain',
    seed: BigInt((call.seeds as string[])[row]!),
    steps: call.num_inference_steps as number,
    guidanceScale: call.guidance_scale as number | undefined,
    guidanceRescale: call.guidance_rescale as number | undefined,
    negativePrompt: (call.negative_prompt as string[] | undefined)?.[row],
    eta: call.eta as number | undefined,
    clipSkip: call.clip_skip as number | undefined,
    maxSequenceLength: call.max_sequence_length as number | undefined,
    strength: call.strength as number | undefined,
    maskBlur: call.mask_blur as number | undefined,
    onlyMasked: call.padding_mask_crop as number | undefined,
    denoisingStart: call.denoising_start as number | undefined,
    denoisingEnd: call.denoising_end as number | undefined,
    width: call.width as number | undefined,
    height: call.height as number | undefined,
    originalSize: sizeOf(call.original_size),
    targetSize: sizeOf(call.target_size),
    cropTopLeft: cornerOf(call.crops_coords_top_left),
    negativeOriginalSize: sizeOf(call.negative_original_size),
    negativeTargetSize: sizeOf(call.negative_target_size),
    negativeCropTopLeft: cornerOf(call.negative_crops_coords_top_left),
    aestheticScore: call.aesthetic_score as number | undefined,
    negativeAestheticScore: call.negative_aesthetic_score as number | undefined,
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

/** Steps diffusers took: fewer than asked for below a strength of 1 and when handing over. */
function stepsOf(seen: ReadonlyMap<string, TensorData>): number {
  return [...seen.keys()].filter((key) => /^latents\.\d+$/.test(key)).length;
}

function compareBytes(pixels: Uint8Array, reference: Float32Array): void {
  const bytes = toBytes(reference);
  expect(pixels.length).toBe(bytes.length);
  const differences = bytes.map((byte, i) => Math.abs(byte - pixels[i]!));
  expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  const unequal = differences.filter((difference) => difference > 0).length;
  expect(unequal / bytes.length).toBeLessThanOrEqual(0.001);
}

describe.each(pipelineCases)('%s', (name) => {
  it('draws what diffusers draws', { timeout: 60_000 }, async () => {
    const { call, seen } = readPipelineCase(name);
    const timesteps = Array.from(seen.get('timesteps')!.data, Number);
    const taken = stepsOf(seen);
    const first = call.denoising_end === undefined ? timesteps.length - taken : 0;
    using folder = referenceFolder(name);
    await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1, ...rewriting });
    for (const [row, prompt] of (call.prompt as string[]).entries()) {
      let steps = 0;
      for await (const event of pipe.stream(prompt, optionsOf(name, call, row))) {
        if (event.kind === 'step') {
          expect(event.timestep).toBe(timesteps[first + steps]);
          const reference = rowOf(seen.get(`latents.${steps++}`)!, row);
          const error = relativeError(event.latents.data, reference);
          expect(error, `step ${event.step}`).toBeLessThan(tolerance);
        }
        if (event.kind === 'image') {
          compareBytes(event.picture.pixels, rowOf(seen.get('picture')!, row));
        }
      }
      expect(steps).toBe(taken);
    }
  });
});
