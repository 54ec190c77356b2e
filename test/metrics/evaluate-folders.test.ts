/** @file Folders of pictures to figures: values, what is said of the folders, and what is refused. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeImage } from '../../src/formats/image.js';
import { constant } from '../../src/graph/build.js';
import { interpret } from '../../src/graph/interpret.js';
import { readTensorAt } from '../../src/hub/read-tensor.js';
import { clipScore } from '../../src/metrics/clip-score.js';
import { embedTexts } from '../../src/metrics/clip-texts.js';
import { type EvaluateOptions, evaluateFolders } from '../../src/metrics/evaluate-folders.js';
import { FeatureExtractor } from '../../src/metrics/feature-extractor.js';
import { type FeatureNetwork, openFeatureNetwork } from '../../src/metrics/feature-network.js';
import type { FeatureRows } from '../../src/metrics/feature-rows.js';
import { fid } from '../../src/metrics/frechet-distance.js';
import { cmmd, kid } from '../../src/metrics/maximum-mean-discrepancy.js';
import { parseClipVisionConfig } from '../../src/models/clip-config.js';
import { clipVisionWithProjection } from '../../src/models/clip-vision.js';
import { Scope } from '../../src/models/registry.js';
import { Engine } from '../../src/runtime/engine.js';
import { requireFreshBuild } from '../package/fresh-build.js';
import { picturePng, writeClipFolder, writePictures } from './picture-folders.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let place: string;
let real: string;
let fake: string;
let clip: string;
beforeAll(async () => {
  requireFreshBuild();
  place = mkdtempSync(join(tmpdir(), 'maliang-evaluate-'));
  real = writePictures(join(place, 'real'), 13, { seed: 1 });
  fake = writePictures(join(place, 'fake'), 11, { seed: 2 });
  clip = await writeClipFolder(join(place, 'clip'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const evaluate = (options: Partial<EvaluateOptions> = {}) =>
  evaluateFolders({ real, fake, features: clip, threads: 1, bootstrap: 4, batch: 4, ...options });
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${i}`.padStart(2, '0'));
/** What is not said of every folder this small. */
const remarks = (warnings: readonly string[]): string[] =>
  warnings.filter((text) => !/ are usual: /.test(text));

/** Features of a folder of `writePictures`, by the parts of an evaluation. */
async function featuresOf(engine: Engine, network: FeatureNetwork, folder: string, count: number) {
  const options = { resize: network.resize, batch: count };
  await using extractor = await FeatureExtractor.load(engine, network, options);
  const pictures = names(count).map((name) =>
    decodeImage(readFileSync(join(folder, `${name}.png`)), { channels: 3 }),
  );
  const prepared = (await Promise.all(pictures)).map((image) => extractor.prepare(image));
  return (await extractor.extract(prepared)).features;
}

function expectValue(
  figures: readonly { name: string; value: number }[],
  name: string,
  to: number,
) {
  const { value } = figures.find((figure) => figure.name === name)!;
  expect(Math.abs(value - to), `${name}: ${value} for ${to}`).toBeLessThan(1e-4 * Math.max(1, to));
}

describe('figures', () => {
  it('are those of the features, streamed or not, with what they rest on', async () => {
    await using engine = Engine.start({ threads: 1 });
    const network = await openFeatureNetwork(clip);
    const [a, b] = [
      await featuresOf(engine, network, real, 13),
      await featuresOf(engine, network, fake, 11),
    ] as [FeatureRows, FeatureRows];
    const found = await evaluate({ seed: 3 });
    const { figures } = found;
    expect(figures.map(({ name }) => name)).toEqual([
      'fid',
      'kid',
      'cmmd',
      'precision',
      'recall',
      'density',
      'coverage',
    ]);
    expectValue(figures, 'fid', fid(a, b));
    expectValue(figures, 'kid', (await kid(a, b, { seed: 3, bootstrap: 0 })).value);
    expectValue(figures, 'cmmd', (await cmmd(a, b, { bootstrap: 0 })).value);
    for (const figure of figures) {
      const rests = { samples: { real: 13, fake: 11 }, resize: 'clip', features: network.sha256 };
      expect(figure).toMatchObject(rests);
      expect(figure.interval).toMatchObject({ level: 0.95, resamples: 4 });
    }
    expect(found.features).toEqual({
      ...{ kind: 'clip', source: clip, sha256: network.sha256, pictureSize: 32, size: 16 },
    });
    expect(found.real).toEqual({ path: real, pictures: 13, unreadable: 0, sizes: { '40x40': 13 } });
  });

  it('are equal for equal seeds; subsets, batches and resamples can be chosen', async () => {
    const first = await evaluate();
    expect(await evaluate()).toEqual(first);
    const other = await evaluate({ batch: 100, bootstrap: 0, kid: { subsetSize: 5, subsets: 7 } });
    expectValue(other.figures, 'fid', first.figures[0]!.value);
    expect(other.figures[0]!.interval).toBeUndefined();
    expect(other.figures[1]).toMatchObject({ parts: 7, subsetSize: 5, interval: undefined });
    const resized = await evaluate({ resize: 'legacy', metrics: ['fid'] });
    expect(resized.figures).toMatchObject([{ name: 'fid', resize: 'legacy' }]);
    expect(resized.figures[0]!.value).not.toBe(first.figures[0]!.value);
  });

  it('come from the built-in CLIP without features', async () => {
    const { features, figures } = await evaluate({ features: undefined, metrics: ['cmmd'] });
    expect(features).toMatchObject({
      kind: 'clip',
      source: 'builtin',
      size: 256,
      pictureSize: 128,
    });
    expect(figures).toHaveLength(1);
  });

  it('tell how far they are', async () => {
    const stages: string[] = [];
    await evaluate({
      onProgress: ({ stage, done, total }) => stages.push(`${stage} ${done}/${total}`),
    });
    expect(stages.filter((stage) => stage.startsWith('fake'))).toEqual([
      'fake 0/11',
      'fake 4/11',
      'fake 8/11',
      'fake 11/11',
    ]);
    for (const metric of ['fid', 'kid', 'cmmd', 'pr']) expect(stages).toContain(`${metric} 1/1`);
  });
});

it('a CLIP folder’s pixels are scaled as its preprocessor_config.json says', async () => {
  const network = await openFeatureNetwork(clip);
  const [mean, deviation] = [
    [0.4, 0.5, 0.6],
    [0.2, 0.25, 0.3],
  ];
  const data = new Float32Array(3 * 32 * 32).map((_, i) => (i * 29) % 256);
  const scaled = data.map((value, i) => {
    const c = Math.floor(i / 1024);
    return (value / 255 - mean[c]!) / deviation[c]!;
  });
  const picture = (pixels: Float32Array) =>
    constant({ dtype: 'f32', shape: [1, 3, 32, 32], data: pixels });
  const config = parseClipVisionConfig({
    ...{ hidden_size: 24, intermediate_size: 40, num_hidden_layers: 1, num_attention_heads: 3 },
    ...{ image_size: 32, patch_size: 8, projection_dim: 16 },
  });
  const weights = new Map<string, ArrayLike<number>>();
  for (const [name, tensor] of network.weights) {
    weights.set(name, (await readTensorAt(tensor)).data as Float32Array);
  }
  const graph = new Map([
    ['ours', network.build(picture(data)).features],
    ['expected', clipVisionWithProjection(new Scope(), config, picture(scaled)).imageEmbeds],
  ]);
  const [ours, expected] = interpret(graph, weights as never) as ArrayLike<number>[];
  expect(
    Math.max(...Array.from(expected!, (value, i) => Math.abs(value - ours![i]!))),
  ).toBeLessThan(1e-5);
});

it('a CLIP folder that asks for another resize is told of', async () => {
  const folder = await writeClipFolder(join(place, 'other-resize'));
  const file = join(folder, 'preprocessor_config.json');
  for (const json of [{ resample: 2 }, { do_center_crop: false }]) {
    writeFileSync(file, JSON.stringify(json));
    expect((await openFeatureNetwork(folder)).warnings).toEqual([
      `${file}: asks for another resize than the rule clip, which is not followed.`,
    ]);
  }
  writeFileSync(file, JSON.stringify({ image_mean: [0.5, 0.5] }));
  await expect(openFeatureNetwork(folder)).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringContaining('image_mean: expected three numbers, got [0.5,0.5]'),
  });
});

describe('CLIP score', () => {
  const prompts = names(11).map((name) => `a picture of ${name}`);

  it('compares each picture with its text', async () => {
    await using engine = Engine.start({ threads: 1 });
    const network = await openFeatureNetwork(clip);
    const pictures = await featuresOf(engine, network, fake, 11);
    const { rows } = await embedTexts(engine, await network.readTexts(), { texts: prompts });
    const expected = clipScore(pictures, rows).value;
    const byName = new Map(prompts.map((text, i) => [`${names(11)[i]}.png`, text] as const));
    for (const given of [prompts, new Map([...byName].reverse())]) {
      const { figures, warnings } = await evaluate({ prompts: given, metrics: ['clip'] });
      expect(figures).toMatchObject([{ name: 'clip-score', samples: { fake: 11 } }]);
      expectValue(figures, 'clip-score', expected);
      expect(remarks(warnings)).toEqual([]);
    }
    const shifted = [...prompts.slice(1), prompts[0]!];
    const other = await evaluate({ prompts: shifted, metrics: ['clip'] });
    expect(other.figures[0]!.value).not.toBeCloseTo(expected, 6);
  });

  it('says which prompt is cut and which text has no picture', async () => {
    const long = new Map(
      names(11).map((name) => [`${name}.png`, 'word '.repeat(name === '03' ? 300 : 1)]),
    );
    long.set('lost.png', 'nothing');
    const { warnings } = await evaluate({ prompts: long, metrics: ['clip'] });
    expect(remarks(warnings)).toEqual([
      'prompts: 1 belong to no picture, first "lost.png"',
      expect.stringMatching(/^03\.png: the end of its text is left out, .*: "d? ?word.{0,70}…"$/),
    ]);
  });

  it.each([
    [{ prompts: ['one'] }, 'DATA', 'expected 11 texts, one for each picture'],
    [{ prompts: new Map([['00.png', 'x']]) }, 'DATA', 'got none for 01.png and 9 others'],
    [{ metrics: ['clip'] as const }, 'USAGE', 'texts of the made pictures for the CLIP score'],
    [{ prompts: ['x'], metrics: ['fid'] as const }, 'USAGE', 'expected the metric clip'],
  ])('%j is refused', async (options, code, part) => {
    await expect(evaluate(options)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(part),
    });
  });
});

describe('folders', () => {
  it('with one unreadable file: it is named, the others count', async () => {
    const folder = writePictures(join(place, 'damaged'), 6, { seed: 3 });
    writeFileSync(join(folder, '02.png'), picturePng({ seed: 9 }).subarray(0, 90));
    writeFileSync(join(folder, 'empty.jpg'), '');
    writeFileSync(join(folder, 'moving.gif'), 'GIF89a');
    symlinkSync(join(place, 'nowhere'), join(folder, 'lost.png'));
    const { fake: summary, warnings, figures } = await evaluate({ fake: folder });
    expect(summary).toMatchObject({ pictures: 5, unreadable: 4 });
    expect(figures[0]!.samples).toEqual({ real: 13, fake: 5 });
    expect(remarks(warnings)).toEqual([
      expect.stringMatching(/^left out: .*02\.png: expected a complete PNG file/),
      expect.stringMatching(
        /^left out: .*empty\.jpg: expected a PNG, JPEG or WebP file, got zero bytes/,
      ),
      expect.stringMatching(/^left out: .*lost\.png: expected a readable file, got nothing there/),
      expect.stringMatching(/^left out: .*moving\.gif: .* got a GIF file/),
    ]);
  });

  it('with too few left: refused, the first bad file named', async () => {
    const folder = writePictures(join(place, 'few'), 1, { seed: 3 });
    writeFileSync(join(folder, 'bad.png'), 'no picture');
    await expect(evaluate({ fake: folder, metrics: ['fid'] })).rejects.toMatchObject({
      code: 'DATA',
      message: expect.stringMatching(
        /few: expected at least 2 pictures for fid, got 1, 1 cannot be read\. .*bad\.png/,
      ),
    });
  });

  it('with folders below, hidden files and other files: read, passed over, said', async () => {
    const folder = join(place, 'nested');
    writePictures(join(folder, 'b'), 3, { seed: 4 });
    writePictures(join(folder, 'a/c'), 3, { seed: 5 });
    writeFileSync(join(folder, '.hidden.png'), 'x');
    writeFileSync(join(folder, 'notes.txt'), 'x');
    const { fake: summary, warnings } = await evaluate({ fake: folder });
    expect(summary).toMatchObject({ pictures: 6, unreadable: 0 });
    expect(remarks(warnings)).toEqual([
      `${folder}: files that are not pictures are left out, 1 in all: notes.txt`,
    ]);
  });

  it('of other or mixed sizes, and few pictures: said', async () => {
    const wide = writePictures(join(place, 'wide'), 5, { seed: 6, width: 60 });
    const first = await evaluate({ fake: wide });
    expect(remarks(first.warnings)).toEqual([
      'real pictures are 40x40, made ones 60x40; all are resized to 32x32.',
    ]);
    expect(first.warnings.filter((text) => / are usual: /.test(text))).toEqual([
      expect.stringMatching(/^fid: 5 pictures where 10000 are usual: /),
      expect.stringMatching(/^kid: 5 pictures where 1000 are usual: /),
      expect.stringMatching(/^cmmd: 5 pictures where 1000 are usual: /),
      expect.stringMatching(/^pr: 5 pictures where 5000 are usual: /),
    ]);
    writeFileSync(join(wide, 'small.png'), picturePng({ seed: 1, width: 20, height: 30 }));
    expect(remarks((await evaluate({ fake: wide })).warnings)).toEqual([
      `${wide}: pictures of 2 sizes, most 60x40; all are resized to 32x32.`,
    ]);
  });

  it('given twice, also by a link: said, and FID is 0', async () => {
    const link = join(place, 'link');
    symlinkSync(real, link);
    const { figures, warnings } = await evaluate({ fake: link });
    expect(figures[0]!.value).toBeLessThan(1e-9);
    expect(remarks(warnings)).toEqual([
      `${link}: both sets are this folder; figures of it say nothing.`,
    ]);
  });

  it.each([
    ['empty', 'DATA', 'an empty folder'],
    ['texts', 'DATA', 'only 1 other files'],
    ['absent', 'FILE_READ', 'expected a readable folder, got nothing there'],
    ['real/00.png', 'FILE_READ', 'expected a folder, got something else'],
  ])('%s: refused', async (name, code, part) => {
    mkdirSync(join(place, 'empty'), { recursive: true });
    mkdirSync(join(place, 'texts'), { recursive: true });
    writeFileSync(join(place, 'texts/a.txt'), 'x');
    for (const options of [{ real: join(place, name) }, { fake: join(place, name) }]) {
      await expect(evaluate(options)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(part),
      });
    }
  });
});

describe('refused', () => {
  it.each([
    [{ metrics: ['is'] as const }, 'expected fid, kid, cmmd, pr, clip on clip features, got is'],
    [{ metrics: [] }, 'got none'],
    [{ batch: 0 }, 'batch: expected a whole number from 1 to 1024'],
    [{ bootstrap: 1.5 }, 'bootstrap: expected a whole number from 0'],
    [{ seed: -1 }, 'seed: expected a whole number from 0'],
    [{ resize: 'pil' as never }, 'resize: expected one of clean, legacy, clip'],
    [{ kid: { subsetSize: 12 } }, 'kid: subsetSize: expected a whole number from 2 to 11'],
    [{ kid: { subsets: 0 } }, 'kid: subsets: expected a whole number from 1'],
  ])('%j', async (options, part) => {
    await expect(evaluate(options)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(part),
    });
  });

  it('a folder that is no CLIP, and a CLIP without texts for the CLIP score', async () => {
    await expect(evaluate({ features: real })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    const judge = fileURLToPath(new URL('../../assets/model/judge', import.meta.url));
    const network = await openFeatureNetwork(judge);
    expect(network.warnings).toEqual([
      `${judge}: no preprocessor_config.json; pixels are scaled as OpenAI's CLIP takes them.`,
    ]);
    const prompts = names(11);
    await expect(evaluate({ features: judge, prompts, metrics: ['clip'] })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('expected a CLIPModel, whose texts can be compared'),
    });
  });
});

it('stops when asked to', async () => {
  const controller = new AbortController();
  const onProgress = ({ stage }: { stage: string }): void => {
    if (stage === 'fake') controller.abort();
  };
  await expect(evaluate({ signal: controller.signal, onProgress })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
});
