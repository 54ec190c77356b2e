/** @file Writes model folders in the diffusers layout; every file appears whole or not at all. */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import { streamSafetensors, type TensorSpec } from '../formats/safetensors.js';
import { writeFileAtomically } from './atomic-file.js';
import { isPlainName, type JsonObject } from './local-folder.js';

/** Which library's conventions a component follows. */
export type Library = 'diffusers' | 'transformers';

/** Names of the weight file by library. */
const weightFile = {
  diffusers: 'diffusion_pytorch_model.safetensors',
  transformers: 'model.safetensors',
} as const satisfies Record<Library, string>;

export interface ComponentToWrite {
  readonly library: Library;
  readonly className: string;
  /** Fields as published, without the class name. */
  readonly config: JsonObject;
  /** Names, dtypes and shapes in file order. */
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  /** Gives each tensor once, in order, so that one at a time is in memory. */
  readonly load: (name: string) => TensorData | Promise<TensorData>;
  /** Added to the header; `format` is always there. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes weights, then config.json, so that a folder with a config is complete. Throws DISK_FULL
 * or FILE_WRITE, and SAFETENSORS when a loaded tensor differs from its spec.
 */
export async function writeComponent(folder: string, component: ComponentToWrite): Promise<void> {
  const { library, className, config, tensors, load, metadata } = component;
  // Other readers refuse files without this entry.
  const header = { format: 'pt', ...metadata };
  const file = join(folder, weightFile[library]);
  await writeFileAtomically(file, streamSafetensors(tensors, load, header));
  const named =
    library === 'diffusers'
      ? { _class_name: className, ...config }
      : { architectures: [className], ...config };
  await writeJson(join(folder, 'config.json'), named);
}

/** As `writeComponent`, with all tensors in memory. */
export function writeComponentTensors(
  folder: string,
  component: Omit<ComponentToWrite, 'tensors' | 'load'>,
  tensors: ReadonlyMap<string, TensorData>,
): Promise<void> {
  return writeComponent(folder, { ...component, tensors, load: (name) => tensors.get(name)! });
}

/** Writes model_index.json: the pipeline class and [library, class] of each component. */
export async function writeModelIndex(
  folder: string,
  pipelineClass: string,
  components: Readonly<Record<string, readonly [string, string]>>,
): Promise<void> {
  for (const name of Object.keys(components)) {
    if (isPlainName(name)) continue;
    const got = JSON.stringify(name);
    throw complain('CONFIG', { where: 'writeModelIndex', expected: 'plain component names', got });
  }
  const index = { _class_name: pipelineClass, ...components };
  await writeJson(join(folder, 'model_index.json'), index);
}

function writeJson(file: string, value: JsonObject): Promise<void> {
  return writeFileAtomically(file, `${JSON.stringify(value, null, 2)}\n`);
}
