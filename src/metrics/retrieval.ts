/** @file Which of many real pictograms a picture resembles most, by weighted distances of features. */
import { complain } from '../core/errors.js';
import { type FeatureBlock, featureBlocks, type PictogramFeatures } from './pictogram-features.js';

/** One picture that can be found. */
export interface GalleryEntry {
  readonly id: string;
  readonly features: PictogramFeatures;
  /** Whether the picture turned left to right shows the same thing. */
  readonly canFlip: boolean;
}

/** What is looked for: a picture's features as it is and turned left to right. */
export interface RetrievalQuery {
  readonly upright: PictogramFeatures;
  readonly turned: PictogramFeatures;
}

export interface Neighbour {
  readonly id: string;
  readonly distance: number;
}

export type BlockWeights = Readonly<Record<FeatureBlock, number>>;

/** Chosen on real pictures alone before any generated one was scored; see docs/evaluation.md. */
export const frozenWeights: BlockWeights = { layout: 1, edges: 2, colours: 1, silhouette: 1 };

/** Partners per entry from which the usual distance of a block is taken. */
const partners = 8;

/**
 * Pictures to search. The distance of two pictures is the weighted mean over blocks of their
 * Euclidean distance, each in units of its mean between different pictures of the gallery: 0 is the
 * same picture, 1 the usual distance of two unrelated ones.
 */
export class RetrievalGallery {
  readonly entries: readonly GalleryEntry[];
  readonly #scales: BlockWeights;

  /** Throws DATA with fewer than two pictures or with an id given twice. */
  constructor(entries: readonly GalleryEntry[], weights: BlockWeights = frozenWeights) {
    const ids = new Set(entries.map(({ id }) => id));
    if (entries.length < 2 || ids.size < entries.length) {
      throw complain('DATA', {
        where: 'retrieval',
        expected: 'two or more pictures with ids of their own',
        got: `${entries.length} pictures, ${ids.size} ids`,
        next: 'Check the pictures of the gallery.',
      });
    }
    this.entries = entries;
    const total = featureBlocks.reduce((sum, block) => sum + weights[block], 0);
    this.#scales = mapBlocks((block) => weights[block] / total / usualDistance(entries, block));
  }

  /** Distances to every entry, in their order. Turned pictures count where that keeps the meaning. */
  distances(query: RetrievalQuery): Float64Array {
    return Float64Array.from(this.entries, ({ features, canFlip }) => {
      const upright = this.#distance(query.upright, features);
      return canFlip ? Math.min(upright, this.#distance(query.turned, features)) : upright;
    });
  }

  /** The closest entries by what `distances` gave, best first. */
  nearestBy(distances: Float64Array, count: number): Neighbour[] {
    const order = [...distances.keys()].sort((a, b) => distances[a]! - distances[b]! || a - b);
    return order
      .slice(0, count)
      .map((at) => ({ id: this.entries[at]!.id, distance: distances[at]! }));
  }

  #distance(a: PictogramFeatures, b: PictogramFeatures): number {
    let total = 0;
    for (const block of featureBlocks) total += this.#scales[block] * euclid(a[block], b[block]);
    return total;
  }
}

/**
 * Place of entry `answer` among the distances, from 1. Entries as close as the answer stand before
 * it, except the `twins`, which show the same pixels.
 */
export function rankOf(
  distances: Float64Array,
  answer: number,
  twins: ReadonlySet<number> = new Set(),
): number {
  const limit = distances[answer]!;
  let rank = 1;
  for (const [at, distance] of distances.entries()) {
    if (at !== answer && distance <= limit && !twins.has(at)) rank++;
  }
  return rank;
}

function mapBlocks(value: (block: FeatureBlock) => number): BlockWeights {
  return Object.fromEntries(featureBlocks.map((block) => [block, value(block)])) as BlockWeights;
}

/** Mean distance of a block between entries that stand apart in the gallery. */
function usualDistance(entries: readonly GalleryEntry[], block: FeatureBlock): number {
  const count = entries.length;
  let [sum, pairs] = [0, 0];
  for (let partner = 1; partner <= Math.min(partners, count - 1); partner++) {
    const step = Math.ceil((partner * (count - 1)) / (partners + 1));
    for (let at = 0; at < count; at++) {
      const other = (at + step) % count;
      sum += euclid(entries[at]!.features[block], entries[other]!.features[block]);
      pairs++;
    }
  }
  return Math.max(sum / pairs, 1e-9);
}

function euclid(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}
