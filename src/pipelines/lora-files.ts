/** @file Reads LoRA files and adds them to the parts of a model. */
import { dirname, join, resolve } from 'node:path';
import { complain } from '../core/errors.js';
import { toFloat32 } from '../core/tensor-data.js';
import { type JsonObject, readJson } from '../hub/local-folder.js';
import { readTensorAt } from '../hub/read-tensor.js';
import { isFile } from '../hub/sidecar-file.js';
import { readWeightFile, type StoredTensor } from '../hub/weight-file.js';
import type { LoraComponent } from '../models/lora/lora-keys.js';
import {
  halfName,
  type LoraAddition,
  type LoraFacts,
  type LoraHost,
  planLora,
  withAdditions,
} from '../models/lora/lora-merge.js';
import { settingsOf, settingsOfMetadata } from '../models/lora/lora-settings.js';
import type { TensorInFile } from '../runtime/weights.js';
import type { ModelPart } from './model-part.js';

/** A LoRA to add. */
export interface LoraOption {
  /** A safetensors file of kohya's trainer, diffusers or PEFT, or the folder diffusers or PEFT saved. */
  readonly path: string;
  /** How much of it; 1 (the default) is what it was trained for, negative values turn it round. */
  readonly weight?: number | undefined;
  /** The same for the text encoders; default `weight`. */
  readonly textWeight?: number | undefined;
}

/** A part and what LoRA files call it. */
export interface LoraTarget {
  readonly role: LoraHost['role'];
  readonly part: ModelPart;
}

export interface MergedParts {
  /** In the order of the targets. */
  readonly parts: readonly ModelPart[];
  readonly warnings: readonly string[];
}

/**
 * The parts with every LoRA added, in order. Throws USAGE for a weight that is no number,
 * MODEL_UNSUPPORTED for files of another family or kind, WEIGHTS, SAFETENSORS or FILE_READ.
 */
export async function withLoras(
  targets: readonly LoraTarget[],
  loras: readonly LoraOption[],
): Promise<MergedParts> {
  const hosts = targets.map(({ role, part }): LoraHost => ({ role, component: part }));
  const added = targets.map((): { addition: LoraAddition; file: StoredTensors }[] => []);
  const warnings: string[] = [];
  for (const option of loras) {
    const { facts, tensors } = await readLora(option);
    const plan = planLora(facts, hosts);
    warnings.push(...plan.warnings);
    plan.additions.forEach((list, i) => {
      added[i]!.push(...list.map((addition) => ({ addition, file: tensors })));
    });
  }
  const parts = targets.map(({ part }, i) => merged(part, added[i]!));
  return { parts, warnings };
}

type StoredTensors = ReadonlyMap<string, StoredTensor>;

function merged(
  part: ModelPart,
  added: readonly { addition: LoraAddition; file: StoredTensors }[],
): ModelPart {
  if (added.length === 0) return part;
  const weights = new Map(part.weights);
  added.forEach(({ addition, file }, i) => {
    const { parameter, down, up, index, count } = addition;
    weights.set(halfName(parameter, i, 'down'), file.get(down)!);
    weights.set(halfName(parameter, i, 'up'), rowsOf(file.get(up)!, index, count));
  });
  const builds = withAdditions(
    part.builds ?? new Map(),
    added.map(({ addition }) => addition),
  );
  return { ...part, weights, builds };
}

function rowsOf(tensor: StoredTensor, index: number, count: number): TensorInFile {
  if (count === 1) return tensor;
  const bytes = (tensor.end - tensor.begin) / count;
  const begin = tensor.begin + index * bytes;
  const shape = [tensor.shape[0]! / count, ...tensor.shape.slice(1)];
  return { ...tensor, shape, begin, end: begin + bytes };
}

/** Names diffusers and PEFT give the file in a folder they save. */
const fileNames = ['pytorch_lora_weights.safetensors', 'adapter_model.safetensors'];

async function readLora(option: LoraOption): Promise<{ facts: LoraFacts; tensors: StoredTensors }> {
  const { weight = 1, textWeight = weight } = option;
  for (const value of [weight, textWeight]) {
    if (Number.isFinite(value)) continue;
    throw complain('USAGE', { where: option.path, expected: 'a finite weight', got: `${value}` });
  }
  const path = await loraFile(option.path);
  const { tensors, metadata } = await readWeightFile(path);
  const alphas = new Map<string, number>();
  for (const [key, tensor] of tensors) {
    if (!key.endsWith('alpha') || tensor.shape.some((size) => size !== 1)) continue;
    alphas.set(key, toFloat32(await readTensorAt(tensor))[0]!);
  }
  const settings = new Map([...settingsOfMetadata(path, metadata), ...(await adapterConfig(path))]);
  return { facts: { path, tensors, alphas, settings, weight, textWeight }, tensors };
}

/** The weight file of a LoRA given as a file or a folder. */
export async function loraFile(path: string): Promise<string> {
  const whole = resolve(path);
  for (const name of fileNames) {
    const file = join(whole, name);
    if (await isFile(file)) return file;
  }
  return whole;
}

/** PEFT keeps alpha in a file beside the weights. */
async function adapterConfig(path: string) {
  const file = join(dirname(path), 'adapter_config.json');
  if (!path.endsWith('adapter_model.safetensors') || !(await isFile(file))) return [];
  const config: JsonObject = await readJson(file);
  return [['any' as LoraComponent, settingsOf(file, config)] as const];
}
