/** @file The data set from build to sample, on a tiny drawn set and on a few real pictures. */
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MaliangError } from '../core/errors.js';
import { namedBackgrounds, white } from './backgrounds.js';
import { contactPrompts, evaluationPrompts } from './evaluation-prompts.js';
import { buildPictograms } from './pictogram-builder.js';
import { nameConcepts } from './pictogram-concepts.js';
import { readPictogramIndex } from './pictogram-index.js';
import {
  type PictogramSources,
  readPictogramSources,
  type SourceConcept,
} from './pictogram-sources.js';
import { PictogramDataset, type PictogramOptions, type PictogramSample } from './pictograms.js';
import { isPairHeldOut } from './scenes.js';
import { pictogramStyles } from './styles.js';

const folders: string[] = [];
function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'maliang-pictograms-'));
  folders.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Labels with distinct drawings: shape by number, colour by style. */
const labels =
  'red apple,banana,lemon,key,hammer,dog face,cat face,bell,pear,carrot,left arrow,crab'.split(',');
const shapes = [
  '<circle cx="4" cy="4" r="3"/>',
  '<rect x="1" y="1" width="3" height="6"/>',
  '<path d="M1 7 4 1 7 7Z"/>',
  '<path d="M0 4h8v1H0z"/>',
];

function tinySources(): PictogramSources {
  const concepts = labels.map((label, at): SourceConcept => {
    const turn = `transform="rotate(${at * 11} 4 4)"`;
    const drawing = (style: number) => ({
      body: `<g ${turn} fill="hsl(${at * 30} 90% ${30 + style * 12}%)">${shapes[(at + style) % 4]}</g>`,
      left: 0,
      top: 0,
      width: 8,
      height: 8,
    });
    const isArrow = label === 'left arrow';
    return {
      hexcode: `F${at}`,
      group: isArrow ? 'symbols' : 'objects',
      subgroup: isArrow ? 'arrow' : 'tool',
      en: { label, tags: ['thing', `tag${'abcdefghijkl'[at]}`] },
      zh: { label: `词${label}`, tags: ['东西'] },
      drawings: Object.fromEntries(pictogramStyles.map((style, s) => [style, drawing(s)])),
    };
  });
  return {
    concepts,
    packages: [{ name: 'tiny', version: '1.0.0', licence: 'MIT', credit: 'this test' }],
  };
}

const sources = tinySources();
let folder: string;
beforeAll(async () => {
  folder = freshFolder();
  await buildPictograms({ folder, sources });
});

function open(options: PictogramOptions = {}): PictogramDataset {
  return PictogramDataset.open(folder, { split: 'all', ...options });
}

function digest({ pixels, ...rest }: PictogramSample): string {
  return createHash('sha256').update(pixels).update(JSON.stringify(rest)).digest('hex');
}

function thrown(run: () => unknown): MaliangError {
  try {
    run();
  } catch (error) {
    if (error instanceof MaliangError) return error;
    throw error;
  }
  throw new Error('nothing thrown');
}

describe('buildPictograms', () => {
  it('writes one pixel file and an index, and leaves nothing else', () => {
    const index = readPictogramIndex(folder);
    expect(readdirSync(folder).sort()).toEqual(['index.json', index.pixelFile]);
    expect(index.concepts.map(({ id }) => id)).toContain('left-arrow');
    expect(index.pictures).toHaveLength(labels.length * 4);
    expect(index.packages).toEqual(sources.packages);
    expect(index.concepts.find(({ id }) => id === 'left-arrow')).toMatchObject({ canFlip: false });
  });

  it('keeps pixels that still fit and builds equal bytes elsewhere', async () => {
    const again = await buildPictograms({ folder, sources });
    expect(again.hasDrawn).toBe(false);
    const other = freshFolder();
    const progress: number[] = [];
    const built = await buildPictograms({
      folder: other,
      sources,
      onProgress: ({ done }) => progress.push(done),
    });
    expect(built.hasDrawn).toBe(true);
    expect(progress).toEqual(Array.from({ length: 48 }, (_, i) => i + 1));
    for (const name of readdirSync(folder)) {
      expect(readFileSync(join(other, name)).equals(readFileSync(join(folder, name)))).toBe(true);
    }
  });

  it('draws anew after damage, and when a drawing changes', async () => {
    const other = freshFolder();
    const { index } = await buildPictograms({ folder: other, sources });
    truncateSync(join(other, index.pixelFile), 1000);
    expect((await buildPictograms({ folder: other, sources })).hasDrawn).toBe(true);
    writeFileSync(join(other, 'index.json'), '{"version":1');
    expect((await buildPictograms({ folder: other, sources })).hasDrawn).toBe(true);
    const changed = { ...sources, concepts: sources.concepts.slice(0, 5) };
    const rebuilt = await buildPictograms({ folder: other, sources: changed });
    expect(rebuilt.index.pictures).toHaveLength(20);
    expect(readdirSync(other).sort()).toEqual(['index.json', rebuilt.index.pixelFile]);
  });

  it('stops when aborted and leaves no half-written file', async () => {
    const other = freshFolder();
    const stop = new AbortController();
    const building = buildPictograms({
      folder: other,
      sources,
      signal: stop.signal,
      onProgress: ({ done }) => done === 7 && stop.abort(),
    });
    await expect(building).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(other)).toEqual([]);
  });

  it('says where it cannot write and which concept is there twice', async () => {
    const file = join(freshFolder(), 'taken');
    writeFileSync(file, '');
    await expect(buildPictograms({ folder: file, sources })).rejects.toMatchObject({
      code: 'FILE_WRITE',
    });
    const twice = { ...sources, concepts: [...sources.concepts, sources.concepts[0]!] };
    await expect(buildPictograms({ folder: freshFolder(), sources: twice })).rejects.toThrow(
      'buildPictograms: expected one concept per id, got "red-apple" for F0 and F0.',
    );
  });
});

describe('PictogramDataset', () => {
  it('is a pure function of index and seed', () => {
    using first = open({ sceneShare: 0.5 });
    using second = open({ sceneShare: 0.5 });
    for (const index of [0, 5, 47, 48, 1000, 5]) {
      expect(digest(second.sampleAt(index, 9))).toBe(digest(first.sampleAt(index, 9)));
    }
    second.sampleAt(3, 1);
    expect(digest(second.sampleAt(7, 9))).toBe(digest(first.sampleAt(7, 9)));
    expect(digest(first.sampleAt(7, 10))).not.toBe(digest(first.sampleAt(7, 9)));
    expect(digest(first.sampleAt(7 + 48, 9))).not.toBe(digest(first.sampleAt(7, 9)));
  });

  it('meets every picture once per epoch', () => {
    using data = open();
    for (const epoch of [0, 3]) {
      const seen = new Set<string>();
      for (let i = 0; i < data.length; i++) {
        const { conceptId, style } = data.sampleAt(epoch * data.length + i, 4);
        seen.add(`${conceptId}/${style}`);
      }
      expect(seen.size).toBe(labels.length * 4);
    }
  });

  it('gives planes in range, white or coloured, in both sizes', () => {
    for (const size of [64, 128] as const) {
      using data = open({ size, backgroundShare: 0.5, chineseShare: 0.5, sceneShare: 0.3 });
      const languages = new Set<string>();
      for (let i = 0; i < 60; i++) {
        const { pixels, caption, language } = data.sampleAt(i, 2);
        expect(pixels).toHaveLength(3 * size * size);
        expect(Math.min(...pixels)).toBeGreaterThanOrEqual(-1.00001);
        expect(Math.max(...pixels)).toBeLessThanOrEqual(1.00001);
        expect(caption.length).toBeGreaterThan(0);
        expect(/background|背景/.test(caption)).toBe(
          pixels[0]! < 0.999 || pixels[size * size]! < 0.999 || pixels[2 * size * size]! < 0.999,
        );
        languages.add(language);
      }
      expect(languages.size).toBe(2);
    }
  });

  it('honours the shares', () => {
    using data = open({ size: 64, sceneShare: 0.4, chineseShare: 0.25, backgroundShare: 0 });
    const samples = Array.from({ length: 1200 }, (_, i) => data.sampleAt(i, 1));
    const share = (test: (sample: (typeof samples)[number]) => boolean): number =>
      samples.filter(test).length / samples.length;
    expect(share(({ isScene }) => isScene)).toBeCloseTo(0.4, 1);
    expect(share(({ language }) => language === 'zh')).toBeCloseTo(0.25, 1);
    expect(share(({ caption }) => /background|背景/.test(caption))).toBe(0);
  });

  it('mirrors only what keeps its meaning', () => {
    using data = open({ backgroundShare: 0, chineseShare: 0 });
    // The sign of the skewness along x: shifts and scales keep it, mirroring turns it.
    const lean = (pixels: Float32Array): number => {
      const mass = Array.from({ length: 128 }, (_, x) => {
        let sum = 0;
        for (let y = 0; y < 128; y++) sum += 1 - pixels[2 * 128 * 128 + y * 128 + x]!;
        return sum;
      });
      const total = mass.reduce((sum, value) => sum + value, 0);
      const centre = mass.reduce((sum, value, x) => sum + value * x, 0) / total;
      return Math.sign(mass.reduce((sum, value, x) => sum + value * (x - centre) ** 3, 0));
    };
    const leans = { 'left-arrow': new Set<number>(), lemon: new Set<number>() };
    for (let i = 0; i < 48 * 20; i++) {
      const { conceptId, style, pixels } = data.sampleAt(i, 6);
      if (style !== 'glossy 3D') continue;
      if (conceptId === 'left-arrow' || conceptId === 'lemon') leans[conceptId].add(lean(pixels));
    }
    expect(leans['left-arrow']).toEqual(new Set([lean(data.renderOf('left-arrow', 'glossy 3D'))]));
    expect(leans.lemon).toEqual(new Set([-1, 1]));
  });

  it('draws the plain reference picture without augmentation', () => {
    using data = open({ augment: false, backgroundShare: 0 });
    const sample = data.sampleAt(0, 0);
    expect(data.renderOf(sample.conceptId, sample.style)).toEqual(sample.pixels);
    const blue = namedBackgrounds.find(({ id }) => id === 'blue')!;
    const onBlue = data.renderOf(sample.conceptId, sample.style, blue);
    expect(onBlue[0]).toBeCloseTo(60 / 127.5 - 1, 5);
    expect(data.renderOf(sample.conceptId, sample.style, white)[0]).toBeCloseTo(1, 5);
    expect(thrown(() => data.renderOf('no-such', 'flat')).message).toContain(
      'renderOf: expected a concept and a style of the set, got "no-such", flat.',
    );
  });

  it('keeps held-out pairs out of training scenes', () => {
    using data = PictogramDataset.open(folder, {
      split: 'train',
      sceneShare: 1,
      chineseShare: 0,
      backgroundShare: 0,
    });
    const names = data.concepts.filter(({ isSceneObject }) => isSceneObject);
    const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b] as const));
    const apart = pairs.filter(([a, b]) => isPairHeldOut(a.id, b.id));
    expect(apart.length).toBeGreaterThan(0);
    for (let i = 0; i < 600; i++) {
      const { caption } = data.sampleAt(i, 3);
      for (const [a, b] of apart) {
        expect(caption.includes(a.en.name) && caption.includes(b.en.name)).toBe(false);
      }
    }
  });

  it('gives a corpus that is long, varied, bilingual and repeatable', () => {
    using data = open();
    const corpus = [...data.captionsCorpus({ rounds: 3 })];
    expect(corpus).toHaveLength(48 * 2 * 3);
    expect(corpus).toEqual([...data.captionsCorpus({ rounds: 3 })]);
    expect(corpus).not.toEqual([...data.captionsCorpus({ rounds: 3, seed: 1 })]);
    expect(new Set(corpus).size).toBeGreaterThan(150);
    expect(corpus.filter((text) => /[一-鿿]/.test(text))).toHaveLength(48 * 3);
  });

  it('finds changed pixels', async () => {
    const other = freshFolder();
    const { index } = await buildPictograms({ folder: other, sources });
    const path = join(other, index.pixelFile);
    const bytes = readFileSync(path);
    bytes[65536 * 3 + 70]! ^= 1;
    writeFileSync(path, bytes);
    using damaged = PictogramDataset.open(other, { split: 'all' });
    expect(thrown(() => damaged.verify()).message).toMatch(/got other pixels\. Delete the folder/);
    using whole = open();
    whole.verify();
  });

  it('says what is missing or out of range', () => {
    const nowhere = join(folder, 'nowhere');
    expect(thrown(() => PictogramDataset.open(nowhere))).toMatchObject({
      code: 'DATA',
      message: `pictograms: expected a built data set, got no ${join(nowhere, 'index.json')}. Build it with \`npm run data:pictograms\`.`,
    });
    expect(thrown(() => open({ sceneShare: 1.5 })).message).toBe(
      'pictograms: expected `sceneShare` from 0 to 1, got 1.5. Change `sceneShare`.',
    );
    expect(thrown(() => open({ size: 32 as 64 })).message).toContain('`size` 64 or 128, got 32');
    expect(thrown(() => open({ groups: ['flags'] })).message).toContain('groups flags');
    using data = open();
    expect(thrown(() => data.sampleAt(-1, 0)).message).toContain('a whole number from 0, got -1');
    expect(thrown(() => data.sampleAt(0.5, 0)).message).toContain('got 0.5');
    data.close();
    expect(thrown(() => data.sampleAt(0, 0))).toMatchObject({ code: 'DISPOSED' });
  });
});

describe('the real packages', () => {
  const real = readPictogramSources();
  const concepts = nameConcepts(real.concepts);
  const byId = new Map(concepts.map((concept) => [concept.id, concept]));

  it('give about 1,560 concepts in four styles without flags or skin tones', () => {
    expect(concepts.length).toBeGreaterThan(1500);
    expect(concepts.length).toBeLessThan(1700);
    expect(byId.size).toBe(concepts.length);
    const whole = concepts.filter(({ source }) => Object.keys(source.drawings).length === 4);
    expect(whole.length).toBeGreaterThan(1500);
    expect(concepts.filter(({ source }) => /1F3F[B-F]/.test(source.hexcode))).toEqual([]);
    expect(concepts.filter(({ source }) => source.group === 'flags')).toEqual([]);
    expect(
      real.packages.every(({ licence }) => ['MIT', 'Apache-2.0', 'CC-BY-4.0'].includes(licence)),
    ).toBe(true);
  });

  it('are named without colons, quotes or stray letters', () => {
    for (const { en, zh } of concepts) {
      for (const noun of [en, ...en.aliases]) expect(noun.name).toMatch(/^[A-Za-z0-9ñ.'! -]+$/);
      for (const noun of [zh, ...zh.aliases])
        expect(noun.name).toMatch(/^[\p{Script=Han}A-Za-z0-9! ]+$/u);
      for (const tag of en.tags) expect(tag).toMatch(/^[a-z][a-z -]+$/);
      for (const tag of zh.tags) expect(tag).toMatch(/^\p{Script=Han}+$/u);
    }
  });

  it('measure animals, stars and books as one would', () => {
    const measure = (id: string) => byId.get(id)?.zh.measure;
    expect(
      ['cat', 'horse', 'snake', 'star', 'open-book', 'rose', 'bicycle', 'red-apple'].map(measure),
    ).toEqual(['只', '匹', '条', '颗', '本', '朵', '辆', '个']);
  });

  it('mirror dogs but not arrows, clocks, letters or pointing hands', () => {
    const flips = (id: string) => byId.get(id)?.canFlip;
    expect(['dog', 'automobile', 'red-apple', 'guitar'].map(flips)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    const fixed = [
      'left-arrow',
      'three-oclock',
      'ok-button',
      'backhand-index-pointing-right',
      'keycap-7',
      'alarm-clock',
      'crescent-moon',
    ];
    expect(fixed.map(flips)).toEqual(fixed.map(() => false));
  });

  it('hold every evaluation concept in its style, under the word the prompt uses', () => {
    expect(evaluationPrompts).toHaveLength(100);
    expect(evaluationPrompts.filter(({ language }) => language === 'zh')).toHaveLength(25);
    expect(contactPrompts).toHaveLength(64);
    expect(contactPrompts.filter(({ language }) => language === 'zh')).toHaveLength(16);
    expect(new Set(evaluationPrompts.map(({ prompt }) => prompt)).size).toBe(100);
    for (const style of pictogramStyles) {
      expect(evaluationPrompts.filter((prompt) => prompt.style === style)).toHaveLength(25);
    }
    for (const { prompt, language, conceptId, style } of evaluationPrompts) {
      const concept = byId.get(conceptId);
      expect(concept?.source.drawings[style], conceptId).toBeDefined();
      const nouns = [concept![language], ...concept![language].aliases].map(({ name }) => name);
      expect(
        nouns.some((noun) => prompt.includes(noun)),
        prompt,
      ).toBe(true);
    }
  });

  it('draw: the same glossy apple, opaque in the middle and clear in the corner', async () => {
    const few = ['red apple', 'dog face', 'backhand index pointing right'];
    const chosen = real.concepts.filter(({ en }) => few.includes(en.label));
    const other = freshFolder();
    const { index } = await buildPictograms({
      folder: other,
      sources: { ...real, concepts: chosen },
    });
    expect(index.pictures).toHaveLength(10);
    using data = PictogramDataset.open(other, { split: 'all' });
    for (const style of pictogramStyles) {
      const apple = data.renderOf('red-apple', style);
      const middle = [0, 1, 2].map((c) => apple[c * 128 * 128 + 70 * 128 + 64]!);
      expect(middle[0]! - middle[2]!).toBeGreaterThan(0.5); // red above blue
      expect(apple[0]).toBeCloseTo(1, 2);
    }
  });
});

describe('readPictogramSources', () => {
  it('names the command when the packages are not installed', () => {
    const nowhere = join(freshFolder(), 'module.js');
    expect(thrown(() => readPictogramSources(nowhere))).toMatchObject({
      code: 'DATA',
      message: expect.stringMatching(
        /^pictograms: expected the package of .*npm run data:pictograms/,
      ),
    });
  });
});
