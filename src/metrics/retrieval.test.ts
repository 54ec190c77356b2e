import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluationPrompts } from '../data/evaluation-prompts.js';
import { buildPictograms } from '../data/pictogram-builder.js';
import { readPictogramSources } from '../data/pictogram-sources.js';
import { DataRandom } from '../data/shuffle.js';
import { pictogramStyles } from '../data/styles.js';
import { type CorruptionName, corruptions } from './corruptions.js';
import { featureBlocks, type PictogramFeatures } from './pictogram-features.js';
import { PictogramRetrieval, summarise } from './pictogram-retrieval.js';
import { mirrored } from './planar-picture.js';
import { RetrievalGallery, rankOf } from './retrieval.js';

/** Features that all blocks share, so that distances are known. */
function at(x: number, y: number): PictogramFeatures {
  return Object.fromEntries(
    featureBlocks.map((block) => [block, Float32Array.of(x, y)]),
  ) as unknown as PictogramFeatures;
}

describe('RetrievalGallery', () => {
  const entries = [
    { id: 'a', features: at(0, 0), canFlip: false },
    { id: 'b', features: at(3, 4), canFlip: true },
    { id: 'c', features: at(3, 4), canFlip: false },
  ];

  it('measures in units of the usual distance and turns only what may be turned', () => {
    const gallery = new RetrievalGallery(entries);
    const upright = gallery.distances({ upright: at(0, 0), turned: at(3, 4) });
    expect(upright[0]).toBe(0);
    expect(upright[1]).toBe(0); // turned left to right it is b
    expect(upright[2]).toBeCloseTo(1.5, 6); // pairs are 5, 5 and 0 apart, 10 / 3 on average
    expect(gallery.nearestBy(upright, 2).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('weighs blocks against each other', () => {
    const apart = entries.map((entry) => ({ ...entry, canFlip: false }));
    const weights = { layout: 1, edges: 0, colours: 0, silhouette: 0 };
    const gallery = new RetrievalGallery(apart, weights);
    const odd = { ...at(0, 0), edges: Float32Array.of(90, 90) };
    expect(gallery.distances({ upright: odd, turned: odd })[0]).toBe(0);
  });

  it('refuses a gallery of one and doubled ids', () => {
    expect(() => new RetrievalGallery(entries.slice(1, 2))).toThrow(/two or more pictures/);
    expect(() => new RetrievalGallery([entries[0]!, entries[0]!])).toThrow(/2 pictures, 1 ids/);
  });
});

describe('rankOf', () => {
  it('lets ties stand before the answer unless they show the same picture', () => {
    const distances = Float64Array.of(0.5, 0.2, 0.5, 0.9, 0.5);
    expect(rankOf(distances, 0)).toBe(4);
    expect(rankOf(distances, 0, new Set([2]))).toBe(3);
    expect(rankOf(distances, 1)).toBe(1);
    expect(rankOf(distances, 3)).toBe(5);
  });
});

describe('summarise', () => {
  it('counts hits and ranks', () => {
    const placings = [1, 1, 3, 5, 6, 100].map((rank) => ({ rank, candidates: 100, nearest: [] }));
    const { top1, top5, meanRank, medianRank } = summarise(placings);
    expect([top1.successes, top5.successes, top5.trials]).toEqual([2, 4, 6]);
    expect(meanRank).toBeCloseTo(116 / 6, 9);
    expect(medianRank).toBe(4);
  });
});

describe('PictogramRetrieval on real pictures', () => {
  let folder: string;
  let retrieval: PictogramRetrieval;
  const asked = new Set(evaluationPrompts.map(({ conceptId }) => conceptId));
  const everyTenth = evaluationPrompts.filter((_, index) => index % 9 === 0);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'maliang-retrieval-'));
    const sources = readPictogramSources();
    const isAsked = (label: string): boolean => asked.has(label.replaceAll(/[^a-z]+/g, '-'));
    const concepts = sources.concepts.filter(
      ({ en }, index) => isAsked(en.label) || index % 17 === 0,
    );
    const copied = concepts.find(({ en }) => en.label === 'key')!;
    const twin = { ...copied, hexcode: 'F0000', en: { label: 'twin key', tags: ['key'] } };
    await buildPictograms({ folder, sources: { ...sources, concepts: [...concepts, twin] } });
    retrieval = PictogramRetrieval.open(folder);
  });
  afterAll(() => {
    retrieval.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(Object.keys(corruptions) as CorruptionName[])('finds %s pictures again', (name) => {
    const ranks = everyTenth.map(({ conceptId, style }, index) => {
      const real = retrieval.render(conceptId, style);
      const damaged = corruptions[name](real, DataRandom.from(7, index));
      expect(damaged.pixels).not.toEqual(real.pixels);
      return retrieval.place(damaged, conceptId, style);
    });
    const { top5 } = summarise(ranks);
    expect(ranks[0]!.candidates).toBeGreaterThan(120);
    expect(top5.rate).toBeGreaterThanOrEqual(name === 'misdrawn' ? 0.75 : 1);
  });

  it('finds no pictures that show something else', () => {
    const wrong = everyTenth.map(({ conceptId, style }, index) => {
      const other = everyTenth[(index + 5) % everyTenth.length]!;
      return retrieval.place(retrieval.render(other.conceptId, style), conceptId, style);
    });
    expect(summarise(wrong).top5.successes).toBeLessThanOrEqual(1);
  });

  it('accepts a picture turned left to right where that keeps its meaning', () => {
    const turned = mirrored(retrieval.render('bicycle', 'flat'));
    expect(retrieval.place(turned, 'bicycle', 'flat').rank).toBe(1);
  });

  it('counts the same picture under another name as right', () => {
    const key = retrieval.render('key', 'cartoon');
    const { rank, nearest } = retrieval.place(key, 'key', 'cartoon');
    expect(rank).toBe(1);
    expect(nearest.slice(0, 2).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['key', 'twin-key']),
    );
  });

  it('names the training picture most like another, over all styles', () => {
    const { id, style, distance } = retrieval.closest(retrieval.render('castle', 'simple'));
    expect({ id, style, distance }).toEqual({ id: 'castle', style: 'simple', distance: 0 });
    expect(retrieval.conceptIds(pictogramStyles[0])).toContain('castle');
  });

  it('says when the set lacks what is asked for', () => {
    const picture = retrieval.render('castle', 'flat');
    expect(() => retrieval.place(picture, 'nonsense', 'flat')).toThrow(
      'retrieval: expected a training concept drawn in "flat", got "nonsense". Take ids from `conceptIds`.',
    );
  });
});
