/** @file Learned words: ids and states of prompts against diffusers' loader. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { floatTensor, type TensorData } from '../../src/core/tensor-data.js';
import {
  parseSafetensorsHeader,
  readTensor,
  writeSafetensors,
} from '../../src/formats/safetensors.js';
import { encodePrompt } from '../../src/pipelines/encode-prompt.js';
import { SessionCache } from '../../src/pipelines/session-cache.js';
import { readTextToImageModel } from '../../src/pipelines/text-to-image-model.js';
import { Engine } from '../../src/runtime/engine.js';
import { referenceFolder } from '../reference-folder.js';

const fixtures = fileURLToPath(new URL('../fixtures/inversion/', import.meta.url));

interface InversionCase {
  readonly pipeline: string;
  readonly embeddings: readonly { readonly file: string; readonly token: string }[];
  readonly prompts: readonly string[];
  readonly ids: readonly (readonly number[][])[];
}

describe.each(readdirSync(fixtures))('%s', (name) => {
  it('reads the words as diffusers does', async () => {
    const folder = join(fixtures, name);
    const call = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as InversionCase;
    const bytes = new Uint8Array(readFileSync(join(folder, 'case.safetensors')));
    const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
    using model = referenceFolder(call.pipeline);
    await using engine = Engine.start({ threads: 1 });
    const sessions = new SessionCache(engine);
    const read = await readTextToImageModel(model.path, {
      // Words come from the files: the tensor's name, the file's own, or what is given.
      textualInversions: call.embeddings.map(({ file, token }) => ({
        path: join(folder, file),
        token: file.startsWith(token) || (token === '<cat>' && name === 'sd1') ? undefined : token,
      })),
    });
    for (const [i, prompt] of call.prompts.entries()) {
      const ids = read.towers.map(({ tokenizer, tokens }) =>
        Array.from(tokenizer.encodePrompt(prompt, { maxLength: tokens }).ids),
      );
      expect(ids, prompt).toEqual(call.ids[i]);
      const rule = { syntax: 'plain', emphasis: 'none', maxSequenceLength: 77 } as const;
      const { states, pooled } = await encodePrompt(read, sessions, prompt, rule);
      const compare = (key: string, got: TensorData): void => {
        const reference = readTensor(bytes, tensors.get(`${key}.${i}`)!).data as Float32Array;
        const scale = reference.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
        const values = got.data as Float32Array;
        expect(values.length).toBe(reference.length);
        const error = reference.reduce((m, v, at) => Math.max(m, Math.abs(v - values[at]!)), 0);
        expect(error / scale, `${key} of ${prompt}`).toBeLessThanOrEqual(1e-4);
      };
      compare('states', states);
      if (tensors.has(`pooled.${i}`)) compare('pooled', pooled!);
    }
  });
});

describe('refusals', () => {
  it.each<[string, [string, number[]][], string | undefined]>([
    ['another width', [['emb_params', [2, 768]]], undefined],
    [
      'no inversion',
      [
        ['a', [2, 24]],
        ['b', [2, 24]],
      ],
      undefined,
    ],
    ['a matrix too many', [['emb_params', [2, 2, 24]]], undefined],
    ['a word that is there', [['emb_params', [2, 24]]], 'a</w>'],
    ['white space', [['emb_params', [2, 24]]], ' x'],
  ])('%s', async (_, tensors, token) => {
    const scratch = mkdtempSync(join(tmpdir(), 'maliang-inversion-'));
    using model = referenceFolder('sd1');
    const path = join(scratch, 'word.safetensors');
    const data = tensors.map(([key, shape]): [string, TensorData] => [
      key,
      floatTensor(new Float32Array(shape.reduce((a, b) => a * b)), shape),
    ]);
    writeFileSync(path, writeSafetensors(data));
    const failure: unknown = await readTextToImageModel(model.path, {
      textualInversions: [{ path, token }],
    }).catch((cause: unknown) => cause);
    rmSync(scratch, { recursive: true });
    const { code, message } = failure as { code: string; message: string };
    expect(`${code} ${message.replace(scratch, '')}`).toMatchSnapshot();
  });
});
