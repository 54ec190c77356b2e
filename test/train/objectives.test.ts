/** @file Every objective on a tiny drawn set: they learn, resume bit for bit, and write what the next one reads. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readComponent } from '../../src/hub/local-folder.js';
import { loadComponent } from '../../src/train/component-weights.js';
import { type ObjectiveName, objectives } from '../../src/train/objectives.js';
import type { StepReport } from '../../src/train/training-run.js';
import { TinySet, tinyAutoencoder, tinyClip, tinyDiffusion, tinyDraft } from './tiny-set.js';

let set: TinySet;
beforeAll(async () => {
  set = await TinySet.create();
});
afterAll(() => set[Symbol.dispose]());

interface Job {
  readonly objective: ObjectiveName;
  /** The folder of the unbroken run. */
  readonly folder: string;
  readonly json: () => object;
  readonly className: string;
  /** Folder of the component inside the run; default `model`. */
  readonly component?: string;
}

/** In the order in which one builds on the other. */
const jobs: readonly Job[] = [
  {
    objective: 'autoencoder',
    folder: 'autoencoder',
    json: () => tinyAutoencoder(set),
    className: 'AutoencoderTiny',
  },
  { objective: 'clip', folder: 'clip', json: () => tinyClip(set), className: 'CLIPModel' },
  {
    objective: 'draft',
    folder: 'draft',
    json: () => tinyDraft(set),
    className: 'LatentDraft',
    component: 'model/draft',
  },
  {
    objective: 'diffusion',
    folder: 'unet',
    json: () => tinyDiffusion(set, 'unet'),
    className: 'UNet2DConditionModel',
  },
  {
    objective: 'diffusion',
    folder: 'sd3',
    json: () => tinyDiffusion(set, 'sd3'),
    className: 'SD3Transformer2DModel',
  },
  {
    objective: 'diffusion',
    folder: 'drafted',
    json: () => tinyDiffusion(set, 'drafted'),
    className: 'UNet2DConditionModel',
  },
];

/** The four vectors of a checkpoint; its header holds the time spent. */
function vectors(folder: string): Buffer {
  const bytes = readFileSync(join(folder, 'checkpoint.safetensors'));
  return bytes.subarray(8 + Number(bytes.readBigUint64LE()));
}

async function weightsOf(folder: string): Promise<Record<string, unknown>> {
  return Object.fromEntries((await loadComponent(folder)).weights);
}

describe.each(jobs)('$folder', ({ objective, folder, json, className, component = 'model' }) => {
  it('trains and writes a component, a sheet, a checkpoint and a log', async () => {
    const run = set.path(folder);
    await objectives[objective](json(), { folder: run });
    const stored = await readComponent(join(run, component));
    expect(stored.className).toBe(className);
    const sheet = objective === 'clip' ? [] : ['sheet-6.png'];
    const rest = ['checkpoint.safetensors', 'loss.jsonl', 'model'];
    expect(readdirSync(run).sort()).toEqual([...rest, ...sheet]);
    for (const name of sheet) {
      const png = readFileSync(join(run, name));
      const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
      const side = objective === 'autoencoder' ? 128 : 64;
      expect({ width, height }).toEqual({ width: 8 * (side + 2) - 2, height: 2 * side + 2 });
    }
  });

  it.skipIf(objective === 'draft')('begins with the weights `start_from` names', async () => {
    const start = set.path(folder, 'model');
    const still = { ...json(), start_from: start, learning_rate: 0, steps: 1 };
    const run = set.path(`${folder}-started`);
    await objectives[objective](still, { folder: run });
    expect(await weightsOf(join(run, 'model'))).toEqual(await weightsOf(start));
  });

  it('goes on with Muon from where AdamW stopped', async () => {
    const run = set.path(`${folder}-muon`);
    await objectives[objective]({ ...json(), steps: 1 }, { folder: run });
    const losses: number[] = [];
    const muon = { ...json(), steps: 3, optimizer: 'muon' };
    await objectives[objective](muon, {
      folder: run,
      resume: true,
      onStep: ({ values }) => losses.push(values.loss!),
    });
    expect(losses.map(Number.isFinite)).toEqual([true, true]);
    for (const { data } of (await loadComponent(join(run, component))).weights.values()) {
      expect((data as Float32Array).every(Number.isFinite)).toBe(true);
    }
  });

  it('continues an interrupted run bit for bit', async () => {
    const run = set.path(`${folder}-broken`);
    const stop = new AbortController();
    const onStep = ({ step }: StepReport): void => {
      if (step === 2) stop.abort();
    };
    const broken = objectives[objective](json(), { folder: run, signal: stop.signal, onStep });
    await expect(broken).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(existsSync(join(run, 'model'))).toBe(false);
    const steps: number[] = [];
    await objectives[objective](json(), {
      folder: run,
      resume: true,
      onStep: ({ step }) => steps.push(step),
    });
    expect(steps).toEqual([3, 4, 5, 6]);
    expect(vectors(run).equals(vectors(set.path(folder)))).toBe(true);
    const weights = (at: string): Buffer => {
      const name = readdirSync(set.path(at, component)).find((file) =>
        file.endsWith('safetensors'),
      )!;
      return readFileSync(set.path(at, component, name));
    };
    expect(weights(`${folder}-broken`).equals(weights(folder))).toBe(true);
  });
});

describe('learning', () => {
  const losses = async (objective: ObjectiveName, json: object): Promise<number[]> => {
    const found: number[] = [];
    const folder = set.path(`learning-${objective}-${found.length}-${Math.random()}`);
    await objectives[objective](json, {
      folder,
      onStep: ({ values }) => found.push(values.loss!),
    });
    return found;
  };
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value / values.length, 0);

  it('restores pictures better and better', async () => {
    const found = await losses('autoencoder', { ...tinyAutoencoder(set), steps: 60 });
    expect(mean(found.slice(-5))).toBeLessThan(0.5 * mean(found.slice(0, 5)));
  });

  it('tells pictures apart by their captions', async () => {
    const json = { ...tinyClip(set), steps: 160, learning_rate: 5e-3 };
    const found = await losses('clip', json);
    expect(mean(found.slice(-20))).toBeLessThan(0.9 * mean(found.slice(0, 20)));
  });

  it('drafts what captions mean', async () => {
    const json = { ...tinyDraft(set), steps: 60, micro_batch: 8 };
    const found = await losses('draft', json);
    expect(mean(found.slice(-10))).toBeLessThan(0.8 * mean(found.slice(0, 10)));
  });

  it.each(['unet', 'sd3', 'drafted'] as const)('denoises with %s', async (generator) => {
    const json = { ...tinyDiffusion(set, generator), steps: 60, micro_batch: 8 };
    const found = await losses('diffusion', json);
    expect(mean(found.slice(-10))).toBeLessThan(0.8 * mean(found.slice(0, 10)));
  });
});

describe('the latent pool', () => {
  const json = (fields: object = {}) => ({ ...tinyDiffusion(set), steps: 1, ...fields });
  const run = (fields: object, options: object = {}) =>
    objectives.diffusion(json(fields), {
      folder: set.path(`pool-run-${Math.random()}`),
      ...options,
    });

  it('is used again, and refused when it was made from something else', async () => {
    const file = set.path('pool', 'latents.safetensors');
    const { mtimeMs } = statSync(file);
    await run({});
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    const refusal = await run({ pool_size: 41 }).catch((error: Error) => error.message);
    expect(`${refusal}`.replace(set.folder, '<folder>')).toMatchInlineSnapshot(
      `"<folder>/pool: expected latents of these pictures by this autoencoder, got a pool made from others. Delete the folder, or name another \`pool\`; it is then made anew."`,
    );
    await expect(run({ seed: 6 })).rejects.toMatchObject({ code: 'DATA' });
    await expect(run({ autoencoder: set.path('autoencoder-other') })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });

  it('is not there after an interruption, and made anew then', async () => {
    const pool = set.path('pool-broken');
    const stop = new AbortController();
    const progress: number[] = [];
    const options = {
      signal: stop.signal,
      onProgress: (_: string, done: number) => {
        progress.push(done);
        stop.abort();
      },
    };
    await expect(run({ pool }, options)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(progress).toEqual([16]);
    expect(existsSync(pool)).toBe(false);
    await run({ pool });
    const latents = (folder: string): Buffer => readFileSync(join(folder, 'latents.safetensors'));
    expect(latents(pool).equals(latents(set.path('pool')))).toBe(true);
    writeFileSync(join(pool, 'captions.json'), '["one"]');
    await expect(run({ pool })).rejects.toThrow(/expected a caption for each of its latents/);
    writeFileSync(join(pool, 'captions.json'), '{');
    await expect(run({ pool })).rejects.toThrow(/expected a list of captions in captions.json/);
    rmSync(join(pool, 'captions.json'));
    await run({ pool });
  });
});

describe('parts that do not fit', () => {
  const message = async (objective: ObjectiveName, json: object): Promise<string> => {
    const run = objectives[objective](json, { folder: set.path('unfit') });
    const error = (await run.catch((cause: unknown) => cause)) as { code: string; message: string };
    expect(existsSync(set.path('unfit'))).toBe(false);
    return `${error.code} ${error.message.replaceAll(set.folder, '<folder>')}`;
  };
  const unet = (fields: object): object => {
    const json = tinyDiffusion(set);
    return { ...json, model: { ...json.model, ...fields } };
  };
  const draft = (fields: object): object => {
    const json = tinyDraft(set);
    return { ...json, model: { ...json.model, ...fields } };
  };
  const sd3 = (fields: object): object => {
    const json = tinyDiffusion(set, 'sd3');
    return { ...json, model: { ...json.model, ...fields } };
  };

  it('are named by the field to change', async () => {
    const clip = tinyClip(set);
    const textual = (fields: object): object => ({
      ...clip,
      model: { ...clip.model, text_config: { ...clip.model.text_config, ...fields } },
    });
    const rows: [ObjectiveName, object][] = [
      ['clip', textual({ vocab_size: 500 })],
      ['clip', textual({ eos_token_id: 7 })],
      ['diffusion', unet({ in_channels: 8 })],
      ['diffusion', unet({ out_channels: 1 })],
      ['diffusion', unet({ cross_attention_dim: 32 })],
      ['diffusion', unet({ projection_class_embeddings_input_dim: 40 })],
      ['diffusion', unet({ dropout: 0.1 })],
      ['diffusion', { ...tinyDiffusion(set), draft: set.path('draft', 'model') }],
      ['draft', draft({ input_size: 16 })],
      ['draft', draft({ out_channels: 8 })],
      ['draft', draft({ sample_size: 16 })],
      ['draft', { ...tinyDraft(set), tokens: 13 }],
      ['draft', { ...tinyDraft(set), tokens: 3 }],
      ['draft', { ...tinyDraft(set), start_from: set.path('draft', 'model') }],
      ['draft', { ...tinyDraft(set), clip: set.path('autoencoder', 'model') }],
      ['diffusion', sd3({ joint_attention_dim: 8 })],
      ['diffusion', sd3({ pooled_projection_dim: 8 })],
      ['diffusion', { ...tinyDiffusion(set), clip: set.path('autoencoder', 'model') }],
      ['diffusion', { ...tinyDiffusion(set), autoencoder: set.path('nowhere') }],
    ];
    const messages = [];
    for (const [objective, json] of rows) messages.push(await message(objective, json));
    expect(messages).toMatchInlineSnapshot(`
      [
        "CONFIG training: model.text_config.vocab_size: expected at least 516, as in the tokenizer, got 500. Correct the field the message names.",
        "CONFIG training: model.text_config.eos_token_id: expected 515, as in the tokenizer, got 7. Correct the field the message names.",
        "CONFIG training: model.in_channels: expected 4, the channels of the latents, got 8. Correct the field the message names.",
        "CONFIG training: model.out_channels: expected 4, the channels of the latents, got 1. Correct the field the message names.",
        "CONFIG training: model.cross_attention_dim: expected 16, the hidden_size of the text tower, got 32. Correct the field the message names.",
        "CONFIG training: model.projection_class_embeddings_input_dim: expected 36, the projection_dim of the text tower and 6 addition_time_embed_dim, got 40. Correct the field the message names.",
        "MODEL_UNSUPPORTED training: model: expected dropout 0, got 0.1. Leave the field out: training does not use it.",
        "CONFIG training: model.in_channels: expected 8, the channels of the latents and of their draft, got 4. Correct the field the message names.",
        "CONFIG training: draft.input_size: expected 12, the projection_dim of the text tower, got 16. Correct the field the message names.",
        "CONFIG training: draft.out_channels: expected 4, the channels of the latents, got 8. Correct the field the message names.",
        "CONFIG training: draft.sample_size: expected 8, the height of the latents, got 16. Correct the field the message names.",
        "CONFIG training: tokens: expected at most 12, the positions of the text tower, got 13. Correct the field the message names.",
        "CONFIG training: tokens: expected enough for a caption of the pool, got 3. Correct the field the message names.",
        "CONFIG training configuration: expected no start_from: a draft begins with the tower of \`clip\`, got "<folder>/draft/model". Correct the field the message names.",
        "CONFIG <folder>/autoencoder/model: expected a CLIPModel, got AutoencoderTiny. Correct the field the message names.",
        "CONFIG training: model.joint_attention_dim: expected 16, the hidden_size of the text tower, got 8. Correct the field the message names.",
        "CONFIG training: model.pooled_projection_dim: expected 12, the projection_dim of the text tower, got 8. Correct the field the message names.",
        "CONFIG <folder>/autoencoder/model: expected a CLIPModel, got AutoencoderTiny. Correct the field the message names.",
        "MODEL_NOT_FOUND <folder>/nowhere/config.json: expected a component folder with a config.json, got nothing there. Give a folder in the diffusers layout, or leave out --model.",
      ]
    `);
  });

  it('include weights that are not those of their configuration', async () => {
    const path = set.path('autoencoder', 'model', 'config.json');
    const text = readFileSync(path, 'utf8');
    const config = JSON.parse(text) as object;
    writeFileSync(path, JSON.stringify({ ...config, num_encoder_blocks: [0, 0, 1, 1] }));
    expect(await message('diffusion', tinyDiffusion(set))).toMatch(
      /^WEIGHTS weights: expected the \d+ tensors of AutoencoderTiny, got \d+ of \d+ missing/,
    );
    writeFileSync(path, text);
  });
});
