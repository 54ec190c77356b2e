/** @file Whole judges against transformers: folders, pictures and prompts in, values out. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, type TaskMeta } from 'vitest';
import type { RasterImage } from '../../src/formats/image.js';
import { encodePng } from '../../src/formats/png.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { softmaxOverTexts } from '../../src/metrics/judge-model.js';
import type { JudgeName } from '../../src/metrics/judge-table.js';
import { type JudgeReport, type JudgeSources, Judges } from '../../src/metrics/judges.js';
import { judgeFolder, readJudgeCase, referenceTensors, unpackPicture } from '../judge-folder.js';

const tolerance = 1e-4;

/** What docs/judge.md tells of a judge; see scripts/judge-reporter.mjs. */
declare module 'vitest' {
  interface TaskMeta {
    judges?: { readonly judge: string; readonly values: number; readonly distance: number }[];
  }
}

function expectValues(
  report: JudgeReport,
  values: Readonly<Record<string, number[][]>>,
  meta: TaskMeta,
): void {
  expect(report.scores.map(({ judge }) => judge)).toEqual(Object.keys(values));
  for (const { judge, values: ours } of report.scores) {
    const reference = values[judge]!;
    expect(ours.map((row) => row.length)).toEqual(reference.map((row) => row.length));
    const scale = Math.max(1, ...reference.flat().map(Math.abs));
    const worst = Math.max(
      ...reference.flat().map((value, i) => Math.abs(value - ours.flat()[i]!)),
    );
    expect(worst, judge).toBeLessThan(tolerance * scale);
    const row = { judge, values: reference.flat().length, distance: worst / scale };
    meta.judges = [...(meta.judges ?? []), row];
  }
}

/** Judges of one fixture folder. */
async function judged(
  name: 'clip' | 'siglip' | 'blip',
  meta: TaskMeta,
  options: { readonly batchSize?: number; readonly lanes?: 1 | 2 } = {},
): Promise<JudgeReport> {
  const { pictures, prompts, values } = readJudgeCase(name);
  using folder = judgeFolder(name);
  const models: JudgeSources = { [name]: folder.path };
  const names = Object.keys(values) as JudgeName[];
  await using judges = await Judges.open(names, { models, threads: 1, ...options });
  const report = await judges.score(pictures.map(unpackPicture), prompts);
  expectValues(report, values, meta);
  const bytes = readFileSync(join(folder.path, 'model.safetensors'));
  const weightHash = createHash('sha256').update(bytes).digest('hex');
  expect(report.scores[0]).toMatchObject({ model: folder.path, weightHash });
  return report;
}

const red = (side: number): RasterImage => ({
  width: side,
  height: side,
  channels: 3,
  data: Uint8Array.from({ length: 3 * side * side }, (_, i) => (i % 3 === 0 ? 220 : 30)),
});

describe('judges give the values of transformers', () => {
  it('clip, whatever the size of a batch and the lanes', async ({ task }) => {
    const { warnings, scores } = await judged('clip', task.meta, { batchSize: 2 });
    expect(scores[0]!.unit).toBe('cosine');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^clip: the prompt has more than 24 tokens; its end is not read: /);
    for (const others of [{}, { batchSize: 1, lanes: 2 }] as const) {
      const again = await judged('clip', {}, others);
      again.scores[0]!.values.flat().forEach((value, i) => {
        expect(value).toBeCloseTo(scores[0]!.values.flat()[i]!, 5);
      });
    }
  });

  it('siglip', async ({ task }) => {
    const { warnings } = await judged('siglip', task.meta);
    expect(warnings[0]).toMatch(/^siglip: the prompt has more than 12 tokens/);
  });

  it('blip, both verdicts', async ({ task }) => {
    const { scores, warnings } = await judged('blip', task.meta);
    expect(scores.map(({ judge, unit }) => [judge, unit])).toEqual([
      ['blip-itc', 'cosine'],
      ['blip-itm', 'probability'],
    ]);
    expect(warnings[0]).toMatch(/^blip: the prompt has more than 30 tokens/);
  });

  it('aesthetic, without a prompt, from a file without a configuration', async ({ task }) => {
    const { pictures, values, head } = readJudgeCase('aesthetic');
    using folder = judgeFolder('aesthetic');
    const file = join(folder.path, 'sac+logos+ava1-l14-linearMSE.safetensors');
    writeFileSync(file, writeSafetensors(referenceTensors(Object.entries(head!))));
    const models = { aesthetic: { clip: folder.path, head: file } };
    await using judges = await Judges.open(['aesthetic'], { models, threads: 1 });
    expectValues(await judges.score(pictures.map(unpackPicture), []), values, task.meta);
  });
});

describe('the built-in judge', () => {
  it('looks at PNG files and says which model judged', async () => {
    await using judges = await Judges.open(['clip'], { threads: 1 });
    const { width, height, data } = red(40);
    const png = encodePng({ width, height, channels: 3, data });
    const seen: number[] = [];
    const report = await judges.score([png, red(40)], ['a red square', 'one blue cat'], {
      onPictures: (count) => seen.push(count),
    });
    const [scores] = report.scores;
    expect(scores!.model).toBe('builtin');
    expect(scores!.weightHash).toMatch(/^[0-9a-f]{64}$/);
    expect(scores!.values[0]).toEqual(scores!.values[1]);
    expect(seen).toEqual([2]);
    expect(report.warnings).toEqual([]);
  });

  it('gives the cosine of a lone prompt, not the share of one in one', async () => {
    await using judges = await Judges.open(['clip'], { threads: 1 });
    const one = await judges.score([red(40)], 'a red square');
    const two = await judges.score([red(40)], ['a red square', 'one blue cat']);
    const [cosine] = one.scores[0]!.values[0]!;
    expect(one.scores[0]!.values).toEqual([[two.scores[0]!.values[0]![0]]]);
    expect(Math.abs(cosine!)).toBeLessThan(0.999);
    expect(softmaxOverTexts([cosine!])).toBeUndefined();
    const shares = softmaxOverTexts(two.scores[0]!.values[0]!)!;
    expect(shares[0]! + shares[1]!).toBeCloseTo(1, 12);
  });

  it('reads pictures as they come, at most two batches ahead', async () => {
    let given = 0;
    let judgedSoFar = 0;
    async function* stream(): AsyncGenerator<RasterImage> {
      for (let i = 0; i < 9; i++) {
        expect(++given - judgedSoFar).toBeLessThanOrEqual(4);
        yield red(20 + i);
      }
    }
    await using judges = await Judges.open(['clip'], { threads: 1, batchSize: 2 });
    const report = await judges.score(stream(), 'a red square', {
      onPictures: (count) => {
        judgedSoFar = count;
      },
    });
    expect(report.scores[0]!.values).toHaveLength(9);
  });

  it('stops when told, and refuses what it cannot judge', async () => {
    await using judges = await Judges.open(['clip'], { threads: 1 });
    const signal = AbortSignal.abort();
    await expect(judges.score([red(9)], 'a', { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await expect(judges.score([red(9)], [])).rejects.toMatchObject({ code: 'USAGE' });
    const broken = judges.score([new Uint8Array([1, 2, 3])], 'a red square');
    await expect(broken).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: picture 1: expected a PNG, JPEG or WebP file, got a file beginning with 010203. Convert it to PNG, JPEG or WebP within the limits the message gives.]`,
    );
    await expect(judges.score([red(9)], 'a')).resolves.toBeDefined();
  });
});

describe('opening judges', () => {
  it.each([
    ['no judge', []],
    ['an unknown judge', ['beauty']],
    ['a judge twice', ['clip', 'clip']],
    ['a judge without a model', ['blip-itm']],
  ])('refuses %s', async (_, names) => {
    const opened = Judges.open(names as JudgeName[]);
    await expect(opened).rejects.toThrowErrorMatchingSnapshot();
  });

  it('refuses a folder of another model, a wrong picture size and weights that do not fit', async () => {
    using clip = judgeFolder('clip');
    await expect(Judges.open(['siglip'], { models: { siglip: clip.path } })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    });
    writeFileSync(join(clip.path, 'preprocessor_config.json'), '{"crop_size": 20}');
    await using judges = await Judges.open(['clip'], { models: { clip: clip.path }, threads: 1 });
    await expect(judges.score([red(30)], 'a')).rejects.toMatchObject({ code: 'CONFIG' });
    using missing = judgeFolder('blip', (tensors) => tensors.delete('itm_head.bias'));
    const opened = Judges.open(['blip-itm'], { models: { blip: missing.path } });
    await expect(opened).rejects.toMatchObject({ code: 'WEIGHTS' });
  });
});
