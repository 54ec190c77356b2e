/** @file Every model case of tools/reference: the graph, filled by the reference weight function, gives the reference's numbers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { referenceWeight } from '../../src/core/reference-weights.js';
import type { TensorData } from '../../src/core/tensor-data.js';
import { parseSafetensorsHeader, readTensor } from '../../src/formats/safetensors.js';
import { interpret } from '../../src/graph/interpret.js';
import { type Component, componentParameters, parseComponent } from '../../src/models/registry.js';
import { sd3PositionTable } from '../../src/models/sd3-transformer.js';
import { declareOnce, Scope } from '../../src/nn/scope.js';
import { caseGraphs } from './case-graphs.js';

const folder = new URL('../fixtures/models/', import.meta.url);
const tolerance = 1e-4;

function readCase(name: string): Map<string, TensorData> {
  const bytes = new Uint8Array(readFileSync(new URL(`${name}/case.safetensors`, folder)));
  const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
  return new Map([...tensors].map(([key, entry]) => [key, readTensor(bytes, entry)]));
}

function readComponent(name: string): Component {
  const json = JSON.parse(readFileSync(new URL(`${name}/config.json`, folder), 'utf8'));
  return parseComponent(json._class_name ?? json.architectures[0], json);
}

/** `name shape` lines as tools/reference writes them. */
function readParameters(name: string): string[] {
  return readFileSync(new URL(`${name}/parameters.txt`, folder), 'utf8')
    .trim()
    .split('\n')
    .sort();
}

/** Weights by the reference function; what it does not cover keeps the class's own values. */
function fill(component: Component): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const [name, { shape }] of componentParameters(component).weights) {
    values.set(name, referenceWeight(name, shape));
  }
  if (component.className === 'CLIPModel') {
    values.set('logit_scale', Float32Array.of(component.config.logitScaleInit));
  }
  if (component.className === 'SD3Transformer2DModel') {
    values.set('pos_embed.pos_embed', sd3PositionTable(component.config));
  }
  return values;
}

const names = readdirSync(folder).filter((name) =>
  existsSync(new URL(`${name}/config.json`, folder)),
);

describe.each(names)('%s', (name) => {
  const component = readComponent(name);

  it('has the published parameter names and shapes', () => {
    const { weights } = componentParameters(component);
    const ours = [...weights].map(([key, { shape }]) => `${key} ${shape.join(',')}`.trim());
    expect(ours.sort()).toEqual(readParameters(name).map((line) => line.trim()));
  });

  it('gives the reference numbers', () => {
    const tensors = readCase(name);
    const given = new Map(
      [...tensors].flatMap(([key, value]) =>
        key.startsWith('input.') ? [[key.slice(6), value] as const] : [],
      ),
    );
    const { outputs, feeds } = caseGraphs(new Scope('', declareOnce()), component, given);
    const results = interpret(outputs, new Map([...fill(component), ...feeds]));
    [...outputs.keys()].forEach((key, i) => {
      const reference = tensors.get(`output.${key}`);
      expect(reference, key).toBeDefined();
      expect(outputs.get(key)!.shape).toEqual(reference!.shape);
      const expected = reference!.data as Float32Array;
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      const worst = expected.reduce(
        (most, value, j) => Math.max(most, Math.abs(value - results[i]![j]!)),
        0,
      );
      expect(worst, key).toBeLessThanOrEqual(tolerance * scale);
    });
    const compared = [...tensors.keys()].filter((key) => key.startsWith('output.'));
    expect(compared).toHaveLength(outputs.size);
  });
});
