/** @file Single-file checkpoints: every key of real and small models finds its parameter, with the values diffusers gives. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { componentParameters, parseComponent } from '../../src/models/registry.js';
import { readCheckpoint } from '../../src/models/single-file/checkpoint.js';
import { readLoneVae } from '../../src/models/single-file/lone-vae.js';
import { openModel } from '../../src/pipelines/model-source.js';
import { Engine } from '../../src/runtime/engine.js';
import {
  checkpointCases,
  loadedValues,
  readCheckpointFixture,
  referenceValues,
  writeCheckpoint,
} from '../checkpoint-fixture.js';

const models = checkpointCases.filter((name) => !/taesd|^pipeline-/.test(name));
const small = models.filter((name) => name.startsWith('small-'));
const taesds = checkpointCases.filter((name) => name.includes('taesd'));

/** What diffusers calls the pipelines of the published files. */
const families: Readonly<Record<string, readonly [family: string, pipeline: string]>> = {
  sd15: ['sd1', 'StableDiffusionPipeline'],
  'sd15-inpainting': ['sd1', 'StableDiffusionInpaintPipeline'],
  'lcm-dreamshaper': ['sd1', 'LatentConsistencyModelPipeline'],
  sd21: ['sd2', 'StableDiffusionPipeline'],
  sdxl: ['sdxl', 'StableDiffusionXLPipeline'],
  'sdxl-refiner': ['sdxl-refiner', 'StableDiffusionXLImg2ImgPipeline'],
  'sd3-medium': ['sd3', 'StableDiffusion3Pipeline'],
  'sd35-medium': ['sd3', 'StableDiffusion3Pipeline'],
  'small-sd1': ['sd1', 'StableDiffusionPipeline'],
  'small-sd1-sgm': ['sd1', 'StableDiffusionPipeline'],
  'small-inpainting': ['sd1', 'StableDiffusionInpaintPipeline'],
  'small-lcm': ['sd1', 'LatentConsistencyModelPipeline'],
  'small-sd2': ['sd2', 'StableDiffusionPipeline'],
  'small-sd2-sgm': ['sd2', 'StableDiffusionPipeline'],
  'small-sdxl': ['sdxl', 'StableDiffusionXLPipeline'],
  'small-sdxl-refiner': ['sdxl-refiner', 'StableDiffusionXLImg2ImgPipeline'],
  'small-sd3': ['sd3', 'StableDiffusion3Pipeline'],
  'small-sd35': ['sd3', 'StableDiffusion3Pipeline'],
};

/** Shapes alone, as a file of this case has them. */
function shapesOf(name: string) {
  const { keys } = readCheckpointFixture(name);
  return new Map(keys.map(({ key, shape }) => [key, { shape }]));
}

const factsOf = (name: string) => ({
  path: 'some file',
  tensors: shapesOf(name),
  metadata: new Map<string, string>(),
});

describe.each(models)('%s', (name) => {
  it('is recognised, configured and located by keys and shapes alone', () => {
    const { components: expected } = readCheckpointFixture(name);
    const { family, className, components } = readCheckpoint(factsOf(name));
    expect([family, className]).toEqual(families[name]);
    expect(components.map((part) => part.name).sort()).toEqual([...expected.keys()].sort());
    for (const { name: part, component, origins } of components) {
      const reference = expected.get(part)!;
      const parsed = parseComponent(reference.class, reference.config);
      expect({ part, ...component }).toEqual({ part, ...parsed });
      const declared = componentParameters(component);
      const shapes = [...declared.weights, ...declared.buffers].map(
        ([at, { shape }]) => `${at} ${shape}`,
      );
      expect(shapes.sort()).toEqual([...reference.parameters].map((row) => row.join(' ')).sort());
      expect([...origins.keys()].sort()).toEqual([...reference.parameters.keys()].sort());
    }
  });
});

describe('values', () => {
  let folder: string;
  let engine: Engine;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'maliang-checkpoint-'));
    engine = Engine.start({ threads: 1 });
  });
  afterAll(async () => {
    await engine.dispose();
    rmSync(folder, { recursive: true });
  });

  it.each(small)('%s gives every parameter its value', async (name) => {
    const path = join(folder, 'any name.safetensors');
    writeCheckpoint(name, path);
    const fixture = readCheckpointFixture(name);
    const value = referenceValues(fixture);
    const { file } = await openModel(path);
    for (const [part, { parameters }] of fixture.components) {
      const loaded = await loadedValues(engine, parameters, file!.parts.get(part)!);
      for (const parameter of parameters.keys()) {
        const isIdentity = name.startsWith('small-sd3') && part === 'text_encoder';
        const expected =
          isIdentity && parameter === 'text_projection.weight'
            ? identity(parameters.get(parameter)![0]!)
            : value(`${part}:${parameter}`);
        const got = loaded.get(parameter)!;
        const at = expected.findIndex((v, i) => v !== got[i]);
        expect([part, parameter, got.length, at]).toEqual([part, parameter, expected.length, -1]);
      }
    }
  });

  it('keeps whole and sliced tensors where they lie', async () => {
    const path = join(folder, 'any name.safetensors');
    writeCheckpoint('small-sdxl', path);
    const { file } = await openModel(path);
    const { weights, builds } = file!.parts.get('text_encoder_2')!;
    expect([...builds!.keys()]).toEqual(['text_projection.weight']);
    const base = 'text_model.encoder.layers.1.self_attn';
    const [query, key, value] = ['q', 'k', 'v'].map(
      (at) => weights.get(`${base}.${at}_proj.weight`)!,
    );
    expect([key!.begin, value!.begin]).toEqual([query!.end, key!.end]);
    expect(file!.parts.get('unet')!.builds!.size).toBe(0);
  });
});

function identity(size: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
}

describe.each(taesds)('%s', (name) => {
  it.each(['both halves', 'the decoder alone', 'diffusers’ names'])('%s', (kind) => {
    const { components, keys } = readCheckpointFixture(name);
    const reference = components.get('vae')!;
    const named = {
      'both halves': shapesOf(name),
      'the decoder alone': new Map(
        keys
          .filter(({ key }) => key.startsWith('taesd_decoder.'))
          .map(({ key, shape }) => [key.replace('taesd_decoder.', ''), { shape }]),
      ),
      'diffusers’ names': new Map([...reference.parameters].map(([at, shape]) => [at, { shape }])),
    }[kind]!;
    const { component, origins, warnings } = readLoneVae('some file', named, {});
    expect(component).toEqual(parseComponent(reference.class, reference.config));
    const halves = [...reference.parameters.keys()].filter(
      (at) => kind !== 'the decoder alone' || at.startsWith('decoder.'),
    );
    expect([...origins.keys()].sort()).toEqual(halves.sort());
    expect(warnings.length).toBe(kind === 'the decoder alone' ? 1 : 0);
  });
});
