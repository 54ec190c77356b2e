/** @file Pictures diffusers drew with every sampler (tools/reference/make_fidelity.py), and how far ours are from them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TensorData, toFloat32 } from '../src/core/tensor-data.js';
import { parseSafetensorsHeader, readTensor } from '../src/formats/safetensors.js';
import type { GenerateOptions } from '../src/pipelines/generation-request.js';
import type { TextToImage } from '../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from './reference-folder.js';

const fixtures = fileURLToPath(new URL('./fixtures/fidelity/', import.meta.url));

/** A sampler on a family, as diffusers was told. */
export interface FidelityRow {
  /** What a user calls it; null for the model's own. */
  readonly name: string | null;
  readonly className: string;
  readonly schedule: string | null;
}

export interface DrawnRow extends FidelityRow {
  readonly index: number;
  readonly timesteps: readonly number[];
  /** How far the reference's latents move when its network's outputs move by their last bits. */
  readonly unsteady: number;
}

export interface FidelityFamily {
  readonly name: string;
  /** The pipeline case whose folder holds the model. */
  readonly model: string;
  /** Another scheduler_config.json than the folder's. */
  readonly scheduler: object | undefined;
  readonly call: Readonly<Record<string, unknown>>;
  readonly rows: readonly DrawnRow[];
  /** What diffusers does not draw. */
  readonly refused: readonly FidelityRow[];
  readonly madeWith: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

/** How far a row is from the reference. */
export interface RowDistance {
  /** Class that ran. */
  readonly className: string;
  /** Largest difference of timesteps; infinite when there are more or fewer. */
  readonly timestep: number;
  readonly steps: number;
  /** Largest difference of latents over the steps, over max(1, max |reference|). */
  readonly latents: number;
  /** Values of the picture that are not equal, of how many, and by how much at most. */
  readonly unequal: number;
  readonly values: number;
  readonly most: number;
}

/** A line of docs/fidelity.md. */
export interface FidelityResult extends DrawnRow, RowDistance {
  readonly family: string;
}

function readFamily(file: string): FidelityFamily {
  const bytes = new Uint8Array(readFileSync(join(fixtures, file)));
  const { tensors, metadata } = parseSafetensorsHeader(bytes, bytes.length);
  const told = (key: string) => JSON.parse(metadata.get(key) ?? 'null');
  return {
    name: file.replace('.safetensors', ''),
    model: told('model'),
    scheduler: told('scheduler') ?? undefined,
    call: told('call'),
    rows: told('rows').map((row: FidelityRow, index: number) => ({ ...row, index })),
    refused: told('refused'),
    madeWith: told('made_with'),
    tensors: new Map([...tensors].map(([key, entry]) => [key, readTensor(bytes, entry)])),
  };
}

export const fidelityFamilies: readonly FidelityFamily[] = readdirSync(fixtures)
  .filter((file) => file.endsWith('.safetensors'))
  .map(readFamily);

/** A temporary folder with the family's model. */
export function fidelityFolder({ model, scheduler }: FidelityFamily): ReferenceFolder {
  const folder = referenceFolder(model);
  if (scheduler) {
    writeFileSync(
      join(folder.path, 'scheduler', 'scheduler_config.json'),
      JSON.stringify(scheduler),
    );
  }
  return folder;
}

/** The call with the sampler of a row. */
export function optionsOf({ call }: FidelityFamily, row: FidelityRow): GenerateOptions {
  const picture = (key: string) =>
    call[key] === undefined
      ? undefined
      : new Uint8Array(readFileSync(join(fixtures, call[key] as string)));
  return {
    promptSyntax: 'plain',
    sampler: row.name ?? undefined,
    schedule: row.schedule ?? undefined,
    seed: call.seed as number,
    steps: call.num_inference_steps as number,
    guidanceScale: call.guidance_scale as number,
    negativePrompt: call.negative_prompt as string | undefined,
    maxSequenceLength: call.max_sequence_length as number | undefined,
    strength: call.strength as number | undefined,
    width: call.width as number | undefined,
    height: call.height as number | undefined,
    init: picture('image'),
    mask: picture('mask_image'),
  };
}

/** Draws a row and measures every step and the picture. */
export async function distanceOf(
  pipe: TextToImage,
  family: FidelityFamily,
  row: DrawnRow,
): Promise<RowDistance> {
  const reference = family.tensors.get(`${row.index}.latents`)!;
  const [kept = 0] = reference.shape;
  const all = toFloat32(reference);
  const length = all.length / kept;
  const timesteps: number[] = [];
  let latents = 0;
  for await (const event of pipe.stream(family.call.prompt as string, optionsOf(family, row))) {
    if (event.kind === 'step') {
      const at = timesteps.push(event.timestep) - 1 - (row.timesteps.length - kept);
      const expected = all.subarray(at * length, (at + 1) * length);
      if (at >= 0) latents = Math.max(latents, distance(event.latents.data, expected));
    }
    if (event.kind === 'image') {
      const { pixels, sampler: className } = event.picture;
      const timestep = timestepDistance(timesteps, row);
      const steps = timesteps.length;
      return { className, timestep, steps, latents, ...pixelDistance(pixels, family, row) };
    }
  }
  throw new Error(`${family.name}: no picture`);
}

function timestepDistance(timesteps: readonly number[], row: DrawnRow): number {
  if (timesteps.length !== row.timesteps.length) return Number.POSITIVE_INFINITY;
  return Math.max(...timesteps.map((timestep, i) => Math.abs(timestep - row.timesteps[i]!)));
}

function distance(actual: Float32Array, reference: Float32Array): number {
  if (actual.length !== reference.length) return Number.POSITIVE_INFINITY;
  const scale = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const far = reference.reduce((most, v, i) => Math.max(most, Math.abs(v - actual[i]!)), 0);
  return Number.isNaN(far) ? Number.POSITIVE_INFINITY : far / scale;
}

function pixelDistance(pixels: Uint8Array, family: FidelityFamily, { index }: DrawnRow) {
  const reference = family.tensors.get(`${index}.picture`)!.data as Uint8Array;
  if (pixels.length !== reference.length) throw new Error(`${family.name}: another size`);
  const far = Array.from(reference, (byte, i) => Math.abs(byte - pixels[i]!));
  const unequal = far.filter((difference) => difference > 0).length;
  return { unequal, values: far.length, most: Math.max(...far) };
}
