/** @file Weights of a trained component: read back as f32, or written from a run's averages. */
import { open } from 'node:fs/promises';
import { type TensorData, toFloat32 } from '../core/tensor-data.js';
import { tensorFromBytes } from '../formats/safetensors.js';
import { type JsonObject, readComponent } from '../hub/local-folder.js';
import { type Library, writeComponentTensors } from '../hub/write-folder.js';

export interface LoadedComponent {
  readonly className: string;
  readonly config: JsonObject;
  readonly weights: ReadonlyMap<string, TensorData>;
}

/** Reads a component folder whole, every float as f32. Throws FILE_READ, CONFIG or SAFETENSORS. */
export async function loadComponent(folder: string): Promise<LoadedComponent> {
  const { className, config, tensors } = await readComponent(folder);
  const weights = new Map<string, TensorData>();
  for (const [name, { file, dtype, shape, begin, end }] of tensors) {
    const bytes = new Uint8Array(end - begin);
    const handle = await open(file, 'r');
    try {
      await handle.read(bytes, 0, bytes.length, begin);
    } finally {
      await handle.close();
    }
    const data = toFloat32(tensorFromBytes(bytes, { dtype, shape }));
    weights.set(name, { dtype: 'f32', shape, data });
  }
  return { className, config, weights };
}

/** Writes a component in f32, as training keeps it. */
export async function saveComponent(
  folder: string,
  library: Library,
  config: JsonObject,
  weights: ReadonlyMap<string, TensorData>,
): Promise<void> {
  const { _class_name: className, ...fields } = config;
  const component = { library, className: String(className), config: fields };
  await writeComponentTensors(folder, component, weights);
}
