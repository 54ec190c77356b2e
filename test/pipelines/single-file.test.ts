/** @file One file instead of a folder: the same picture; other autoencoders, LoRAs and dtypes; what is refused. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referenceWeight } from '../../src/core/reference-weights.js';
import {
  elementCount,
  floatTensor,
  numberToBf16,
  numberToF16,
  type TensorData,
  toFloat32,
} from '../../src/core/tensor-data.js';
import {
  parseSafetensorsHeader,
  readTensor,
  writeSafetensors,
} from '../../src/formats/safetensors.js';
import { readWeightFile } from '../../src/hub/weight-file.js';
import { type OpenModelOptions, openModel } from '../../src/pipelines/model-source.js';
import { type FromPretrainedOptions, TextToImage } from '../../src/pipelines/text-to-image.js';
import { Engine } from '../../src/runtime/engine.js';
import { loadedValues, writeCheckpoint } from '../checkpoint-fixture.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

const lora = fileURLToPath(new URL('../fixtures/lora/sd1/kohya/lora.safetensors', import.meta.url));
let scratch: string;
const folders = new Map<string, ReferenceFolder>();

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'maliang-single-file-'));
});
afterAll(() => {
  rmSync(scratch, { recursive: true });
  for (const folder of folders.values()) folder[Symbol.dispose]();
});

function folderOf(name: string): string {
  const known = folders.get(name) ?? referenceFolder(name);
  folders.set(name, known);
  return known.path;
}

async function draw(path: string, options: FromPretrainedOptions = {}): Promise<Uint8Array> {
  await using pipe = await TextToImage.fromPretrained(path, { threads: 1, ...options });
  const size = { width: 32, height: 32 };
  const { images } = await pipe.generate('a red apple', { seed: 5, steps: 2, ...size });
  return new Uint8Array(images[0]!.pixels);
}

describe.each(['sd1', 'sd2', 'xl'])('%s', (name) => {
  it('draws the same from one file with the folder’s configurations', async () => {
    const path = join(scratch, `${name}.safetensors`);
    writeCheckpoint(`pipeline-${name}`, path);
    const config = folderOf(name);
    expect(await draw(path, { config })).toEqual(await draw(config));
  });
});

describe('another autoencoder', () => {
  it('a file with original names equals a folder with the same weights', async () => {
    const model = folderOf('sd1');
    const file = join(scratch, 'vae.safetensors');
    const changed = join(scratch, 'changed');
    cpSync(model, changed, { recursive: true });
    writeCheckpoint('pipeline-sd1', file, (tensors) => {
      onlyVae(tensors);
      for (const [key, tensor] of tensors) tensors.set(key, scaled(key, tensor));
    });
    const weights = join(changed, 'vae', 'diffusion_pytorch_model.safetensors');
    const plain = await draw(model);
    writeFileSync(weights, scaledFile(weights));
    const expected = await draw(changed);
    expect(expected).not.toEqual(plain);
    expect(await draw(model, { vae: file })).toEqual(expected);
    expect(await draw(model, { vae: join(changed, 'vae') })).toEqual(expected);
    expect(await draw(model, { vae: changed })).toEqual(expected);
  });

  it('is refused when its latents have other channels', async () => {
    const file = join(scratch, 'sd3.safetensors');
    writeCheckpoint('small-sd3', file, onlyVae);
    const attempt = draw(folderOf('sd1'), { vae: file });
    await expect(attempt).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});

function onlyVae(tensors: Map<string, TensorData>): void {
  for (const key of [...tensors.keys()]) {
    if (!key.startsWith('first_stage_model.')) tensors.delete(key);
  }
}

function scaled(key: string, tensor: TensorData): TensorData {
  const factor = /(?:en|de)coder\./.test(key) ? 0.75 : 1;
  return floatTensor(
    (tensor.data as Float32Array).map((v) => v * factor),
    tensor.shape,
  );
}

/** The file with everything in encoder and decoder times 0.75. */
function scaledFile(path: string): Uint8Array {
  const bytes = new Uint8Array(readFileSync(path));
  const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
  return writeSafetensors(
    [...tensors].map(([key, entry]) => [key, scaled(key, readTensor(bytes, entry))]),
  );
}

describe('LoRA', () => {
  it('changes the picture by its weight, text encoder included', async () => {
    const model = folderOf('sd1');
    const unet = 'unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q';
    const text = 'text_encoder.text_model.encoder.layers.0.mlp.fc2';
    const half = (name: string, ...shape: number[]): [string, TensorData] => [
      name,
      floatTensor(referenceWeight(name, shape), shape),
    ];
    const write = (name: string, ...tensors: [string, TensorData][]): string => {
      const path = join(scratch, name);
      writeFileSync(path, writeSafetensors(tensors));
      return path;
    };
    const ofUnet = [half(`${unet}.lora_A.weight`, 2, 16), half(`${unet}.lora_B.weight`, 16, 2)];
    const ofText = [half(`${text}.lora_A.weight`, 2, 48), half(`${text}.lora_B.weight`, 24, 2)];
    const path = write('both.safetensors', ...ofUnet, ...ofText);
    const plain = await draw(model);
    const added = await draw(model, { loras: [{ path }] });
    expect(added).not.toEqual(plain);
    expect(await draw(model, { loras: [{ path, weight: 0 }] })).toEqual(plain);
    expect(await draw(model, { loras: [{ path }, { path, weight: -1 }] })).toEqual(plain);
    const withoutText = await draw(model, { loras: [{ path, textWeight: 0 }] });
    expect(withoutText).not.toEqual(added);
    const unetOnly = write('unet.safetensors', ...ofUnet);
    expect(await draw(model, { loras: [{ path: unetOnly }] })).toEqual(withoutText);
  });

  it('of another model is refused', async () => {
    const attempt = draw(folderOf('sd1'), { loras: [{ path: lora }] });
    await expect(attempt).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});

describe('what a file says and what it cannot say', () => {
  const only = async (
    name: string,
    options: OpenModelOptions = {},
    change: (tensors: Map<string, TensorData>) => void = () => undefined,
    metadata: Record<string, string> = {},
  ) => {
    const path = join(scratch, `${name}.safetensors`);
    const tensors = writeCheckpoint(name, path, change);
    writeFileSync(path, writeSafetensors(tensors, metadata));
    const { file } = await openModel(path, options);
    const { _class_name, prediction_type, ...rest } = file!.scheduler;
    const warnings = file!.warnings.map((line) => line.replaceAll(scratch, ''));
    return { scheduler: [_class_name, prediction_type], rest, warnings, parts: file!.parts };
  };
  const scalar = (value: number): TensorData => ({
    dtype: 'i64',
    shape: [],
    data: BigInt64Array.of(BigInt(value)),
  });

  it('SD 2 predicts velocity unless something says otherwise', async () => {
    const plain = await only('small-sd2');
    expect(plain.scheduler).toEqual(['DDIMScheduler', 'v_prediction']);
    expect(plain.warnings).toMatchInlineSnapshot(`
      [
        "/small-sd2.safetensors: the file does not say what it predicts; v_prediction is taken by the default for SD 2, as in diffusers. Give predictionType (--prediction) if pictures are noise.",
      ]
    `);
    const base = await only('small-sd2', {}, (t) => t.set('global_step', scalar(875_000)));
    expect(base.scheduler).toEqual(['PNDMScheduler', 'epsilon']);
    expect(base.warnings).toMatchInlineSnapshot(`
      [
        "/small-sd2.safetensors: the file does not say what it predicts; epsilon is taken by global_step 875000. Give predictionType (--prediction) if pictures are noise.",
        "not read: a mark, not a weight (1: global_step).",
      ]
    `);
    const stated = await only('small-sd2', {}, undefined, {
      'modelspec.prediction_type': 'epsilon',
    });
    expect([stated.scheduler[1], stated.warnings]).toEqual(['epsilon', []]);
    const given = await only('small-sd2', { predictionType: 'epsilon' });
    expect([given.scheduler[1], given.warnings]).toEqual(['epsilon', []]);
  });

  it('SDXL predicts noise unless a tensor says otherwise', async () => {
    const plain = await only('small-sdxl');
    expect(plain.scheduler).toEqual(['EulerDiscreteScheduler', 'epsilon']);
    const marked = await only('small-sdxl', {}, (t) => {
      t.set('v_pred', scalar(1));
      t.set('ztsnr', scalar(1));
    });
    expect(marked.scheduler[1]).toBe('v_prediction');
    expect(marked.rest).toMatchObject({
      rescale_betas_zero_snr: true,
      timestep_spacing: 'trailing',
    });
  });

  it('a file beside it says more', async () => {
    const yaml = join(scratch, 'small-sd2.yaml');
    writeFileSync(
      yaml,
      [
        'model:  # of latent-diffusion',
        '  base_learning_rate: 1.0e-04',
        '  params:',
        '    parameterization: "eps"',
        '    linear_start: 0.001',
        '    unet_config:',
        '      params: {num_head_channels: 32, model_channels: 64, channel_mult: [ 1, 2 ]}',
      ].join('\n'),
    );
    const found = await only('small-sd2');
    rmSync(yaml);
    expect(found.scheduler[1]).toBe('epsilon');
    expect(found.rest).toMatchObject({ beta_start: 0.001 });
    expect(found.parts.get('unet')!.config).toMatchObject({ heads: [2, 4] });
    const json = join(scratch, 'small-sd2.json');
    const content = { description: 'of another program', unet: { norm_eps: 1e-6 } };
    writeFileSync(json, JSON.stringify({ ...content, prediction_type: 'sample' }));
    const other = await only('small-sd2');
    rmSync(json);
    expect(other.scheduler[1]).toBe('sample');
    expect(other.parts.get('unet')!.config).toMatchObject({ normEps: 1e-6 });
  });

  it('tensors of every float dtype stay as they are stored', async () => {
    const dtypes = ['f16', 'bf16', 'f8e4m3fn', 'f8e5m2', 'f64'] as const;
    const path = join(scratch, 'dtypes.safetensors');
    const stored = writeCheckpoint('small-sd1-sgm', path, (tensors) => {
      [...tensors].forEach(([key, { shape }], i) => {
        const dtype = dtypes[i % dtypes.length]!;
        tensors.set(key, ofDtype(dtype, shape, i));
      });
    });
    const { file } = await openModel(path);
    const { weights } = file!.parts.get('unet')!;
    const shapes = new Map([['conv_in.weight', weights.get('conv_in.weight')!.shape]]);
    for (const name of [...weights.keys()].slice(0, 40)) shapes.set(name, weights.get(name)!.shape);
    await using engine = Engine.start({ threads: 1 });
    const values = await loadedValues(engine, shapes, file!.parts.get('unet')!);
    const byPlace = new Map(
      [...(await readWeightFile(path)).tensors].map(([k, t]) => [t.begin, k]),
    );
    for (const [name, got] of values) {
      const key = byPlace.get(weights.get(name)!.begin)!;
      expect([...got], name).toEqual([...toFloat32(stored.get(key)!)]);
    }
  });

  it('GGUF by content', async () => {
    const path = join(scratch, 'model.safetensors');
    writeFileSync(path, Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(60)]));
    const expected = { code: 'MODEL_UNSUPPORTED', message: expect.stringContaining('a GGUF file') };
    await expect(openModel(path)).rejects.toMatchObject(expected);
  });

  it.each<[string, (tensors: Map<string, TensorData>) => void]>([
    ['a missing tensor', (t) => t.delete('model.diffusion_model.out.2.bias')],
    ['an unknown tensor', (t) => t.set('model.diffusion_model.extra.weight', scalar(1))],
    ['a misshapen tensor', (t) => t.set('model.diffusion_model.out.2.bias', scalar(1))],
    ['no text encoder', (t) => drop(t, 'cond_stage_model.')],
    ['no VAE', (t) => drop(t, 'first_stage_model.')],
    [
      'companions',
      (t) => {
        for (const key of ['betas', 'model_ema.decay', 'what.is.this']) t.set(key, scalar(1));
        t.set('cond_stage_model.transformer.text_model.embeddings.position_ids', scalar(1));
      },
    ],
    ['depth', (t) => setInput(t, 5)],
    ['pix2pix', (t) => setInput(t, 8)],
    ['FLUX', (t) => t.set('double_blocks.0.img_attn.norm.key_norm.scale', scalar(1))],
    ['scaled float8', (t) => t.set('model.diffusion_model.out.2.scale_weight', scalar(1))],
    ['a LoRA', (t) => replaced(t, 'lora_unet_x.lora_down.weight')],
    ['a UNet in diffusers’ names', (t) => replaced(t, 'down_blocks.0.resnets.0.conv1.weight')],
    ['a VAE alone', (t) => replaced(t, 'encoder.conv_in.weight')],
    ['nothing known', (t) => replaced(t, 'weights')],
  ])('%s', async (_, change) => {
    const failure = await only('small-sd1', {}, change).then(
      ({ warnings }) => warnings.join('\n'),
      (cause: Error & { code: string }) => `${cause.code} ${cause.message}`,
    );
    expect(failure.replaceAll(scratch, '')).toMatchSnapshot();
  });

  const drop = (tensors: Map<string, TensorData>, prefix: string): void => {
    for (const key of [...tensors.keys()]) if (key.startsWith(prefix)) tensors.delete(key);
  };
  const replaced = (tensors: Map<string, TensorData>, key: string): void => {
    tensors.clear();
    tensors.set(key, scalar(1));
  };
  const setInput = (tensors: Map<string, TensorData>, channels: number): void => {
    const shape = [32, channels, 3, 3];
    const data = new Float32Array(32 * channels * 9);
    tensors.set('model.diffusion_model.input_blocks.0.0.weight', floatTensor(data, shape));
  };
});

/** Values every one of the dtypes can hold. */
function ofDtype(dtype: string, shape: readonly number[], seed: number): TensorData {
  const values = new Float64Array(elementCount(shape)).map(
    (_, i) => ((i * 7 + seed) % 9) / 8 - 0.5,
  );
  const bytes: Record<string, () => TensorData['data']> = {
    f64: () => values,
    f16: () => Uint16Array.from(values, numberToF16),
    bf16: () => Uint16Array.from(values, numberToBf16),
    f8e5m2: () => Uint8Array.from(values, (v) => (numberToF16(Math.sign(v) * 0.25) >> 8) & 0xff),
    f8e4m3fn: () => Uint8Array.from(values, (_, i) => (i * 11 + seed) % 120),
  };
  return { dtype, shape, data: bytes[dtype]!() } as TensorData;
}
