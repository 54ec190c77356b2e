/** @file LoRAs in every naming: merged weights against those of diffusers' loaders, and what is refused. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referenceWeight } from '../../src/core/reference-weights.js';
import { floatTensor, type TensorData } from '../../src/core/tensor-data.js';
import {
  parseSafetensorsHeader,
  readTensor,
  writeSafetensors,
} from '../../src/formats/safetensors.js';
import { readWeightFile } from '../../src/hub/weight-file.js';
import { type Component, componentParameters, parseComponent } from '../../src/models/registry.js';
import { type LoraTarget, withLoras } from '../../src/pipelines/lora-files.js';
import type { ModelPart } from '../../src/pipelines/model-part.js';
import { Engine } from '../../src/runtime/engine.js';
import { loadedValues } from '../checkpoint-fixture.js';

const fixtures = fileURLToPath(new URL('../fixtures/lora/', import.meta.url));
const roles = { unet: 'denoiser', text_encoder: 'text1', text_encoder_2: 'text2' } as const;
const cases = readdirSync(fixtures).flatMap((model) =>
  readdirSync(join(fixtures, model))
    .filter((name) => !Object.hasOwn(roles, name))
    .map((name) => [model, name] as const),
);

let scratch: string;
let engine: Engine;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'maliang-lora-'));
  engine = Engine.start({ threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  rmSync(scratch, { recursive: true });
});

function shapesOf(component: Component): Map<string, readonly number[]> {
  const { weights } = componentParameters(component);
  return new Map([...weights].map(([name, { shape }]) => [name, shape]));
}

/** The components of a model, filled by the weight function. */
async function targetsOf(model: string): Promise<LoraTarget[]> {
  const names = Object.keys(roles).filter((name) =>
    readdirSync(join(fixtures, model)).includes(name),
  ) as (keyof typeof roles)[];
  return Promise.all(
    names.map(async (name) => {
      const config = JSON.parse(readFileSync(join(fixtures, model, name, 'config.json'), 'utf8'));
      const component = parseComponent(config._class_name ?? config.architectures[0], config);
      const tensors = [...shapesOf(component)].map(
        ([at, shape]) => [at, floatTensor(referenceWeight(at, shape), shape)] as const,
      );
      const file = join(scratch, `${model}-${name}.safetensors`);
      writeFileSync(file, writeSafetensors(tensors));
      const weights = (await readWeightFile(file)).tensors;
      return { role: roles[name], part: { ...component, name, weights } as ModelPart };
    }),
  );
}

function readTensors(file: string): Map<string, TensorData> {
  const bytes = new Uint8Array(readFileSync(file));
  const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
  return new Map([...tensors].map(([key, entry]) => [key, readTensor(bytes, entry)]));
}

describe.each(cases)('%s, %s', (model, name) => {
  it('merges what diffusers merges, and nothing else', async () => {
    const folder = join(fixtures, model, name);
    const { loras } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as {
      loras: { file: string; weight: number }[];
    };
    const options = loras.map(({ file, weight }) => ({ path: join(folder, file), weight }));
    const targets = await targetsOf(model);
    const { parts, warnings } = await withLoras(targets, options);
    expect(warnings).toEqual([]);
    const merged = readTensors(join(folder, 'merged.safetensors'));
    const changed = parts.flatMap((part) =>
      [...(part.builds?.keys() ?? [])].map((at) => `${part.name}.${at}`),
    );
    expect(changed.sort()).toEqual([...merged.keys()].sort());
    for (const part of parts) {
      const values = await loadedValues(engine, shapesOf(part), part);
      for (const [at, got] of values) {
        const reference = merged.get(`${part.name}.${at}`)?.data as Float32Array | undefined;
        const expected = reference ?? referenceWeight(at, shapesOf(part).get(at)!);
        const scale = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
        const error = expected.reduce((most, v, i) => Math.max(most, Math.abs(v - got[i]!)), 0);
        expect(error / scale, at).toBeLessThanOrEqual(1e-4);
      }
    }
  });
});

describe('refusals', () => {
  const layer = 'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k';
  const half = (...shape: number[]): TensorData =>
    floatTensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.1), shape);
  const pair = (at: string, inner: number): [string, TensorData][] => [
    [`${at}.lora_down.weight`, half(2, inner)],
    [`${at}.lora_up.weight`, half(8, 2)],
  ];

  async function messageOf(tensors: [string, TensorData][]): Promise<string> {
    const path = join(scratch, 'given.safetensors');
    writeFileSync(path, writeSafetensors(tensors));
    const targets = await targetsOf('sd1');
    const failure: unknown = await withLoras(targets, [{ path }]).then(
      ({ warnings }) => ({ code: 'none', message: warnings.join('\n') }),
      (cause: unknown) => cause,
    );
    const { code, message } = failure as { code: string; message: string };
    return `${code} ${message.replaceAll(scratch, '')}`;
  }

  it('another family is named by what it was made for', async () => {
    expect(await messageOf(pair(layer, 2048))).toMatchInlineSnapshot(
      `"MODEL_UNSUPPORTED /given.safetensors: expected additions to mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight [8,8], as this model has it, got up [8,2] and down [2,2048]: a LoRA for SDXL. Use a LoRA made for this model’s family."`,
    );
  });

  it('a model with other layers', async () => {
    const flux = pair('lora_unet_double_blocks_0_img_attn_qkv', 8);
    expect(await messageOf(flux)).toMatchInlineSnapshot(
      `"MODEL_UNSUPPORTED /given.safetensors: expected additions to layers of UNet2DConditionModel, CLIPTextModel, got no layer of this model; the first is "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": a LoRA for FLUX. Use a LoRA made for this model’s family."`,
    );
  });

  it('half a pair', async () => {
    expect(await messageOf(pair(layer, 8).slice(0, 1))).toMatchInlineSnapshot(
      `"WEIGHTS /given.safetensors: expected both halves of the addition to mid_block_attentions_0_transformer_blocks_0_attn2_to_k, got only lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight. The file is incomplete; fetch it again."`,
    );
  });

  it('names what fits nothing and goes on', async () => {
    const given = [...pair(layer, 8), ...pair('lora_unet_no_such_layer', 8), ...pair('other', 8)];
    expect(await messageOf([...given, ['extra', half(1)]])).toMatchInlineSnapshot(`
      "none /given.safetensors: 2 of 3 additions fit no layer of this model and are left out: "lora_unet_no_such_layer.lora_down.weight", "other.lora_down.weight".
      /given.safetensors: not read, no part of a LoRA: "extra"."
    `);
  });

  it.each(['hada_w1_a', 'lokr_w1', 'dora_scale', 'lora_mid.weight', 'oft_blocks', 'diff'])(
    '%s',
    async (kind) => {
      const message = await messageOf([...pair(layer, 8), [`${layer}.${kind}`, half(2)]]);
      expect(message).toMatchSnapshot();
    },
  );
});
