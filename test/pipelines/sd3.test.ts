/** @file Stable Diffusion 3 folders: what is refused, and what a reader of the prompt is told. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

function edit(folder: ReferenceFolder, file: string, fields: Readonly<Record<string, unknown>>) {
  const path = join(folder.path, file);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...fields }));
}

it('takes whole patches inside the table of positions, and 1 to 512 tokens of T5', async () => {
  using folder = referenceFolder('sd3');
  await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
  await expect(pipe.generate('a', { width: 44 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: width: expected a multiple of 8 pixels, up to 112, got 44. The nearest is 40 or 48.]`,
  );
  await expect(pipe.generate('a', { height: 120 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: height: expected a multiple of 8 pixels, up to 112, got 120. The nearest is 112.]`,
  );
  const asked = pipe.generate('a', { maxSequenceLength: 513 });
  await expect(asked).rejects.toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: maxSequenceLength: expected a whole number from 1 to 512, got 513. Leave it out to use the default.]`,
  );
});

it('says what T5 does not read, and leaves weights out of it', async () => {
  using folder = referenceFolder('sd3');
  await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
  const options = { seed: 1, steps: 1, width: 8, height: 8, guidanceScale: 1 };
  const warningsOf = async (prompt: string, maxSequenceLength: number) =>
    (await pipe.generate(prompt, { ...options, maxSequenceLength })).warnings;
  expect(await warningsOf('one (big:1.2) dog', 40)).toEqual([]);
  expect(await warningsOf('one (big:1.2) dog', 4)).toMatchInlineSnapshot(`
    [
      "prompt: T5 reads only the first 3 tokens; left out: "g dog".",
    ]
  `);
});

it('says that the files of the T5 tokenizer are missing', async () => {
  using folder = referenceFolder('sd3');
  rmSync(join(folder.path, 'tokenizer_3', 'tokenizer.json'));
  await expect(TextToImage.fromPretrained(folder.path)).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringContaining('tokenizer.json or spiece.model'),
  });
});

it.each([
  ['a diffusion scheduler', 'scheduler/scheduler_config.json', { _class_name: 'DDIMScheduler' }],
  ['T5 states of another width', 'transformer/config.json', { joint_attention_dim: 60 }],
  ['a pooled text of another width', 'transformer/config.json', { pooled_projection_dim: 41 }],
])('refuses %s', async (_, file, fields) => {
  using folder = referenceFolder('sd3');
  edit(folder, file, fields);
  await expect(TextToImage.fromPretrained(folder.path)).rejects.toMatchObject({
    code: expect.stringMatching(/MODEL_UNSUPPORTED|WEIGHTS/),
  });
});
