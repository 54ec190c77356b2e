/** @file Model folders with the weights of the reference function, from the fixtures that lack them. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referenceWeight } from '../src/core/reference-weights.js';
import { floatTensor, type TensorData } from '../src/core/tensor-data.js';
import {
  parseSafetensorsHeader,
  readTensor,
  writeSafetensors,
} from '../src/formats/safetensors.js';
import { sd3PositionTable } from '../src/models/sd3-transformer.js';
import { parseSd3TransformerConfig } from '../src/models/sd3-transformer-config.js';

const fixtures = fileURLToPath(new URL('./fixtures/pipelines/', import.meta.url));

/** Names of the pipeline cases. */
export const pipelineCases: readonly string[] = readdirSync(fixtures);

export interface ReferenceFolder extends Disposable {
  readonly path: string;
}

/** What the reference was called with, and what passed by; see tools/reference/README.md. */
export interface PipelineCase {
  readonly call: Readonly<Record<string, unknown>>;
  readonly seen: ReadonlyMap<string, TensorData>;
}

export function readPipelineCase(name: string): PipelineCase {
  const call = JSON.parse(readFileSync(join(fixtures, name, 'case.json'), 'utf8'));
  const bytes = new Uint8Array(readFileSync(join(fixtures, name, 'case.safetensors')));
  const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
  return {
    call,
    seen: new Map([...tensors].map(([key, entry]) => [key, readTensor(bytes, entry)])),
  };
}

/** Lines `name d0,d1,…` of a component. */
function readParameters(component: string): Map<string, TensorData> {
  const lines = readFileSync(join(component, 'parameters.txt'), 'utf8').trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [name, sizes = ''] = line.split(' ') as [string, string?];
      const shape = sizes === '' ? [] : sizes.split(',').map(Number);
      return [name, floatTensor(referenceWeight(name, shape), shape)];
    }),
  );
}

/** The table of positions is stored too; it follows from the configuration. */
function addPositions(folder: string, tensors: Map<string, TensorData>): void {
  const json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  const config = parseSd3TransformerConfig(json);
  const { posEmbedMaxSize: side, heads, headSize } = config;
  const table = floatTensor(sd3PositionTable(config), [1, side * side, heads * headSize]);
  tensors.set('pos_embed.pos_embed', table);
}

/** A picture file of a case. */
export function readPipelinePicture(name: string, file: string): Uint8Array {
  return new Uint8Array(readFileSync(join(fixtures, name, file)));
}

/** A temporary copy of a case's model with its weights; gone when disposed. */
export function referenceFolder(name: string): ReferenceFolder {
  const path = mkdtempSync(join(tmpdir(), 'maliang-model-'));
  const { model = name } = readPipelineCase(name).call as { model?: string };
  cpSync(join(fixtures, model), path, { recursive: true });
  for (const component of readdirSync(path)) {
    const folder = join(path, component);
    if (!existsSync(join(folder, 'parameters.txt'))) continue;
    const tensors = readParameters(folder);
    if (component === 'transformer') addPositions(folder, tensors);
    const base = component.startsWith('text_encoder') ? 'model' : 'diffusion_pytorch_model';
    writeFileSync(join(folder, `${base}.safetensors`), writeSafetensors(tensors));
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
