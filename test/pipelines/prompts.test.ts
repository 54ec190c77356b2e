/** @file Prompt weights, BREAK, AND and long prompts, against values of tools/reference/make_prompts.py. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toFloat32 } from '../../src/core/tensor-data.js';
import { parseSafetensorsHeader, readTensor } from '../../src/formats/safetensors.js';
import { encodePrompt } from '../../src/pipelines/encode-prompt.js';
import { chunkPrompt, type Emphasis } from '../../src/pipelines/prompt-chunks.js';
import { readClauses, readWeights } from '../../src/pipelines/prompt-weights.js';
import { SessionCache } from '../../src/pipelines/session-cache.js';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import {
  readTextToImageModel,
  type TextToImageModel,
} from '../../src/pipelines/text-to-image-model.js';
import { Engine } from '../../src/runtime/engine.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

interface Rule {
  prompt: string;
  stretches: [string, number][];
  chunks: [number[], number[]][];
}

const url = (name: string) => new URL(`../fixtures/prompts/${name}`, import.meta.url);
const { rules, states } = JSON.parse(readFileSync(url('rules.json'), 'utf8')) as {
  rules: Rule[];
  states: Record<'sd1' | 'xl', string[]>;
};
const bytes = new Uint8Array(readFileSync(url('states.safetensors')));
const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
const reference = (name: string) => toFloat32(readTensor(bytes, tensors.get(name)!));

const folders = new Map<string, ReferenceFolder>();
const models = new Map<string, TextToImageModel>();
let engine: Engine;
beforeAll(async () => {
  engine = Engine.start({ threads: 1 });
  for (const name of ['sd1', 'xl']) {
    const folder = referenceFolder(name);
    folders.set(name, folder);
    models.set(name, await readTextToImageModel(folder.path));
  }
});
afterAll(async () => {
  await engine.dispose();
  for (const folder of folders.values()) folder[Symbol.dispose]();
});

const ruleOf = (emphasis: Emphasis = 'original') => {
  const { tokenizer, tokens } = models.get('sd1')!.towers[0]!;
  return { tokenizer, tokens, syntax: 'a1111', emphasis } as const;
};

describe('a prompt', () => {
  it.each(rules)('is weighed: $prompt', ({ prompt, stretches }) => {
    const read = readWeights(prompt);
    expect(read.map(({ text, weight }) => [text, weight])).toEqual(
      stretches.map(([text, weight]) => [text, expect.closeTo(weight, 12)]),
    );
  });

  it.each(rules)('is cut into chunks: $prompt', ({ prompt, chunks }) => {
    const read = chunkPrompt('prompt', prompt, ruleOf()).chunks;
    expect(read.map(({ ids }) => ids)).toEqual(chunks.map(([ids]) => ids));
    read.forEach(({ weights }, i) => {
      chunks[i]![1].forEach((weight, k) => {
        expect(weights[k]).toBeCloseTo(weight, 12);
      });
    });
  });

  it('refuses a weight that is no number', () => {
    expect(() => readWeights('(a:1.2.3)')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: prompt: expected a number after the colon in brackets, got 1.2.3. Write \\( and \\) for brackets that are meant literally.]`,
    );
  });

  it('is cut beyond 32 chunks, and says so', () => {
    const long = Array.from({ length: 34 }, (_, i) => `a ${i}`).join(' BREAK ');
    const { chunks, notes } = chunkPrompt('prompt', long, ruleOf());
    expect(chunks).toHaveLength(32);
    expect(notes).toEqual([
      expect.stringMatching(
        /^prompt: only the first \d+ tokens are read; left out: "a 3 2 a 3 3"\.$/,
      ),
    ]);
  });

  it('says what happens to it', () => {
    const notes = (prompt: string) => chunkPrompt('prompt', prompt, ruleOf()).notes;
    expect(notes('a (red:1.2) apple')).toEqual([]);
    expect(notes('a BREAK b')).toEqual([
      'prompt: read in 2 chunks of up to 16 tokens, one after the other.',
    ]);
    for (const edit of ['[red:blue:0.5]', '[blue: 3]', '[red|blue]']) {
      expect(notes(`a ${edit} fox`)).toEqual([
        `prompt: "${edit}" changes nothing from step to step: it is read as words in brackets.`,
      ]);
    }
    for (const plain of ['a [red]', '\\[a:1\\]', '10:30']) expect(notes(plain)).toEqual([]);
    expect(notes('(a BREAK b:1.3)')).toEqual([
      'prompt: BREAK inside brackets is a word with a weight below zero, not a break.',
    ]);
  });

  it('takes weights literally or drops them when told', () => {
    const read = (emphasis: Emphasis) =>
      chunkPrompt('prompt', 'a (red:2)', ruleOf(emphasis)).chunks;
    const plain = (text: string) =>
      chunkPrompt('prompt', text, { ...ruleOf(), syntax: 'plain' }).chunks;
    expect(read('none')).toEqual(plain('a (red:2)'));
    expect(read('ignore')).toEqual(plain('a red'));
    expect(read('original')).not.toEqual(plain('a red'));
  });

  it('has clauses with weights around AND', () => {
    expect(readClauses('a cat AND a dog :1.5 AND sea: .5')).toEqual([
      { text: 'a cat', weight: 1 },
      { text: ' a dog', weight: 1.5 },
      { text: ' sea', weight: 0.5 },
    ]);
    expect(readClauses('BAND at 10:30')).toEqual([{ text: 'BAND at 10:30', weight: 1 }]);
  });
});

describe.each(['original', 'no-norm'] as const)('states of weighted prompts, %s', (emphasis) => {
  const cases = (['sd1', 'xl'] as const).flatMap((name) =>
    states[name].map((prompt, i) => [name, i, prompt] as const),
  );
  it.each(cases)('%s %i: %s', async (name, i, prompt) => {
    const sessions = new SessionCache(engine);
    const rule = { syntax: 'a1111', emphasis, maxSequenceLength: 77 } as const;
    const said = await encodePrompt(models.get(name)!, sessions, prompt, rule);
    const compare = (actual: Float32Array, wanted: Float32Array): void => {
      const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      const error = wanted.reduce((most, v, k) => Math.max(most, Math.abs(v - actual[k]!)), 0);
      expect(actual.length).toBe(wanted.length);
      expect(error / scale).toBeLessThan(1e-4);
    };
    compare(said.states.data, reference(`${name}.${i}.${emphasis}`));
    if (name === 'xl') compare(said.pooled!.data, reference(`xl.${i}.pooled`));
  });
});

it('composes clauses, and gives prompt and negative prompt equally many chunks', async () => {
  await using pipe = await TextToImage.fromPretrained(folders.get('sd1')!.path, { threads: 1 });
  const options = { width: 32, height: 32, steps: 2, seed: 1, guidanceScale: 4 };
  const draw = async (prompt: string, more: object = {}) => {
    const { images } = await pipe.generate(prompt, { ...options, ...more });
    return images[0]!.pixels;
  };
  const apple = await draw('a red apple');
  expect(await draw('a red apple AND a red apple :0')).toEqual(apple);
  expect(await draw('a red apple AND a dog')).not.toEqual(apple);
  expect(await draw('a (red:1.0) apple')).toEqual(apple);
  expect(await draw('a red apple', { promptSyntax: 'plain' })).toEqual(apple);
  expect(await draw('a BREAK b')).not.toEqual(await draw('a b'));
  expect(await draw('a', { negativePrompt: 'a BREAK b' })).not.toEqual(await draw('a'));
});
