/** @file One component of the fixtures as a part with weights in a file, filled by the reference function. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { referenceWeight } from '../../src/core/reference-weights.js';
import { floatTensor } from '../../src/core/tensor-data.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { readWeightFile } from '../../src/hub/weight-file.js';
import { componentParameters, parseComponent } from '../../src/models/registry.js';
import type { ModelPart } from '../../src/pipelines/model-part.js';

export interface StoredPart extends Disposable {
  readonly part: ModelPart<'AutoencoderKL' | 'AutoencoderTiny'>;
}

/** Config.json of a model case. */
export function caseConfig(name: string): Record<string, unknown> {
  const path = new URL(`../fixtures/models/${name}/config.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** A part of the class the configuration names; its file is gone when disposed. */
export async function storedPart(json: Record<string, unknown>): Promise<StoredPart> {
  const component = parseComponent(json._class_name as string, json);
  const { weights, buffers } = componentParameters(component);
  const tensors = new Map(
    [...weights, ...buffers].map(([key, { shape }]) => [
      key,
      floatTensor(referenceWeight(key, shape), shape),
    ]),
  );
  const folder = mkdtempSync(join(tmpdir(), 'maliang-part-'));
  const file = join(folder, 'weights.safetensors');
  writeFileSync(file, writeSafetensors(tensors));
  const stored = await readWeightFile(file);
  // Sessions are told apart by the name of the part.
  const part = { ...component, name: folder, weights: stored.tensors } as unknown;
  return {
    part: part as StoredPart['part'],
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
