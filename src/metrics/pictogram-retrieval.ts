/** @file Does a generated pictogram show what was asked? Its rank among the real ones of its style. */

import { complain } from '../core/errors.js';
import { readPictogramIndex } from '../data/pictogram-index.js';
import { PictogramDataset } from '../data/pictograms.js';
import { type PictogramStyle, pictogramStyles } from '../data/styles.js';
import { pictogramFeatures } from './pictogram-features.js';
import { mirrored, type PlanarPicture } from './planar-picture.js';
import {
  type BlockWeights,
  frozenWeights,
  type Neighbour,
  RetrievalGallery,
  type RetrievalQuery,
  rankOf,
} from './retrieval.js';
import { type Rate, rateOf } from './wilson-interval.js';

/** Where the picture asked for stands among all candidates. */
export interface Placing {
  /** From 1. Pictures as close as the right one stand before it unless they are the same picture. */
  readonly rank: number;
  readonly candidates: number;
  /** The five closest, best first. */
  readonly nearest: readonly Neighbour[];
}

/** Candidates with the digest of each one's drawing. */
interface StyleGallery {
  readonly gallery: RetrievalGallery;
  readonly positions: ReadonlyMap<string, number>;
  readonly digests: readonly string[];
}

/** Features of a picture as it is and turned left to right. */
export function queryOf(picture: PlanarPicture): RetrievalQuery {
  return {
    upright: pictogramFeatures(picture),
    turned: pictogramFeatures(mirrored(picture)),
  };
}

/**
 * The training pictograms on white as candidates, one gallery per style, read when first asked for.
 * Close it when done.
 */
export class PictogramRetrieval implements Disposable {
  readonly #data: PictogramDataset;
  readonly #digests: ReadonlyMap<string, string>;
  readonly #weights: BlockWeights;
  readonly #galleries = new Map<PictogramStyle, StyleGallery>();

  /** Opens a built data set. Throws DATA when it is missing or does not fit. */
  static open(folder: string, weights: BlockWeights = frozenWeights): PictogramRetrieval {
    return new PictogramRetrieval(folder, weights);
  }

  private constructor(folder: string, weights: BlockWeights) {
    const { concepts, pictures } = readPictogramIndex(folder);
    this.#digests = new Map(
      pictures.map(({ concept, style, sha256 }) => [`${concepts[concept]!.id}/${style}`, sha256]),
    );
    this.#data = PictogramDataset.open(folder);
    this.#weights = weights;
  }

  /** The real picture of a concept on white, 128x128. Throws DATA when there is none. */
  render(conceptId: string, style: PictogramStyle): PlanarPicture {
    return { size: this.#data.size, pixels: this.#data.renderOf(conceptId, style) };
  }

  /** Ids of the training concepts drawn in a style. */
  conceptIds(style: PictogramStyle): string[] {
    return this.#data.concepts
      .map(({ id }) => id)
      .filter((id) => this.#digests.has(`${id}/${style}`));
  }

  /** Rank of the right concept for a picture. Throws DATA when the style lacks the concept. */
  place(picture: PlanarPicture, conceptId: string, style: PictogramStyle): Placing {
    const { gallery, positions, digests } = this.#galleryOf(style);
    const answer = positions.get(conceptId);
    if (answer === undefined) {
      throw complain('DATA', {
        where: 'retrieval',
        expected: `a training concept drawn in "${style}"`,
        got: `"${conceptId}"`,
        next: 'Take ids from `conceptIds`.',
      });
    }
    const distances = gallery.distances(queryOf(picture));
    const isTwin = (at: number): boolean => digests[at] === digests[answer];
    const twins = new Set([...digests.keys()].filter(isTwin));
    return {
      rank: rankOf(distances, answer, twins),
      candidates: distances.length,
      nearest: gallery.nearestBy(distances, 5),
    };
  }

  /** The training picture most like this one, in any style. */
  closest(picture: PlanarPicture): Neighbour & { readonly style: PictogramStyle } {
    const query = queryOf(picture);
    const found = pictogramStyles.map((style) => {
      const { gallery } = this.#galleryOf(style);
      return { ...gallery.nearestBy(gallery.distances(query), 1)[0]!, style };
    });
    return found.reduce((best, next) => (next.distance < best.distance ? next : best));
  }

  close(): void {
    this.#data.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #galleryOf(style: PictogramStyle): StyleGallery {
    const known = this.#galleries.get(style);
    if (known) return known;
    const ids = this.conceptIds(style);
    const canFlip = new Map(this.#data.concepts.map((concept) => [concept.id, concept.canFlip]));
    const entries = ids.map((id) => ({
      id,
      features: pictogramFeatures(this.render(id, style)),
      canFlip: canFlip.get(id)!,
    }));
    const made = {
      gallery: new RetrievalGallery(entries, this.#weights),
      positions: new Map(ids.map((id, at) => [id, at])),
      digests: ids.map((id) => this.#digests.get(`${id}/${style}`)!),
    };
    this.#galleries.set(style, made);
    return made;
  }
}

export interface RetrievalSummary {
  readonly top1: Rate;
  readonly top5: Rate;
  readonly meanRank: number;
  readonly medianRank: number;
}

/** Shares of right answers at the first place and among the first five, and ranks. */
export function summarise(placings: readonly Placing[]): RetrievalSummary {
  const ranks = placings.map(({ rank }) => rank).sort((a, b) => a - b);
  const within = (most: number): Rate =>
    rateOf(ranks.filter((rank) => rank <= most).length, ranks.length);
  const middle = ranks.length >> 1;
  return {
    top1: within(1),
    top5: within(5),
    meanRank: ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length,
    medianRank: ranks.length % 2 === 1 ? ranks[middle]! : (ranks[middle - 1]! + ranks[middle]!) / 2,
  };
}
