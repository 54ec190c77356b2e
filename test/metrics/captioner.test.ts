/** @file Captions against transformers' `generate`, token for token. */
import { describe, expect, it } from 'vitest';
import { encodePng } from '../../src/formats/png.js';
import { Captioner, type CaptionOptions } from '../../src/metrics/captioner.js';
import { type CaptionCase, judgeFolder, readJudgeCase, unpackPicture } from '../judge-folder.js';

const { pictures, captions } = readJudgeCase<CaptionCase>('captions');

/** What docs/judge.md tells of captions; see scripts/judge-reporter.mjs. */
declare module 'vitest' {
  interface TaskMeta {
    captions?: { readonly count: number; readonly least: number };
  }
}

function optionsOf(settings: CaptionCase['captions'][number]['settings']): CaptionOptions {
  return {
    prompt: settings.prompt as string | undefined,
    beams: settings.num_beams as number | undefined,
    lengthPenalty: settings.length_penalty as number | undefined,
    earlyStopping: settings.early_stopping as boolean | 'never' | undefined,
    minLength: settings.min_length as number | undefined,
    maxLength: settings.max_length as number | undefined,
  };
}

describe('Captioner', () => {
  it('writes the tokens of transformers', { timeout: 60_000 }, async ({ task }) => {
    using folder = judgeFolder('captions');
    await using captioner = await Captioner.open(folder.path, { threads: 1 });
    for (const { picture, settings, ids, text, margin } of captions) {
      expect(margin).toBeGreaterThan(1e-3);
      const image = unpackPicture(pictures[picture]!);
      const caption = await captioner.caption(image, optionsOf(settings));
      expect(caption, JSON.stringify(settings)).toEqual({ text, ids, warnings: [] });
    }
    const least = Math.min(...captions.map(({ margin }) => margin));
    task.meta.captions = { count: captions.length, least };
    expect(await captioner.weightHash()).toMatch(/^[0-9a-f]{64}$/);
  });

  it('reads files that store the tied weights under the head, or twice', async () => {
    const own = 'text_decoder.bert.embeddings.word_embeddings.weight';
    const tied = 'text_decoder.cls.predictions.decoder.weight';
    const bias = 'text_decoder.cls.predictions.bias';
    const { picture, settings, ids } = captions[2]!;
    for (const isTwice of [false, true]) {
      using folder = judgeFolder('captions', (tensors) => {
        tensors.set(tied, tensors.get(own)!);
        tensors.set('text_decoder.cls.predictions.decoder.bias', tensors.get(bias)!);
        if (!isTwice) tensors.delete(own);
      });
      await using captioner = await Captioner.open(folder.path, { threads: 1 });
      const image = unpackPicture(pictures[picture]!);
      expect((await captioner.caption(image, optionsOf(settings))).ids).toEqual(ids);
    }
  });

  it('says what it cuts and refuses what it cannot do', async () => {
    using folder = judgeFolder('captions');
    await using captioner = await Captioner.open(folder.path, { threads: 1 });
    const { width, height, data } = unpackPicture(Object.values(pictures)[0]!);
    const png = encodePng({ width, height, channels: 3, data });
    const long = await captioner.caption(png, { prompt: 'a red apple '.repeat(20) });
    expect(long.warnings[0]).toMatch(/^caption: the prompt has more than 30 tokens/);
    const unlikely = await captioner.caption(png, { minLength: 9, maxLength: 5 });
    expect(unlikely.warnings[0]).toMatch(/minLength 9 is above maxLength 5/);
    await expect(captioner.caption(png, { beams: 17 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: caption: expected beams as a whole number from 1 to 16, got 17. See \`maliang --help\`.]`,
    );
    await expect(captioner.caption(png, { maxLength: 33 })).rejects.toMatchObject({
      code: 'USAGE',
    });
    const signal = AbortSignal.abort();
    await expect(captioner.caption(png, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
