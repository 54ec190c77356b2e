/** @file Ranks picture files by how well they fit one prompt; a file that cannot be read is named and left out. */
import { ahead } from '../core/ahead.js';
import { complain, MaliangError } from '../core/errors.js';
import { type FolderPicture, readPictureFile } from '../data/picture-folder.js';
import type { RasterImage } from '../formats/image.js';
import type { JudgeName } from './judge-table.js';
import type { Judges, ScoreOptions } from './judges.js';
import { type RankedCandidate, rankCandidates } from './ranking.js';

export interface RankFilesOptions extends ScoreOptions {
  /** Prompts the pictures must not fit better: a value is then the margin over the best of them. */
  readonly nearMisses?: readonly string[] | undefined;
  /** How much each judge counts, default 1. */
  readonly weights?: Readonly<Partial<Record<JudgeName, number>>> | undefined;
}

export interface RankedFile extends Omit<RankedCandidate<JudgeName>, 'index'> {
  readonly path: string;
}

export interface FileRanking {
  /** Best first. */
  readonly ranking: readonly RankedFile[];
  readonly warnings: readonly string[];
}

/**
 * Pictures are read one batch at a time, so memory does not grow with their number. Throws USAGE or
 * DATA when no file is a picture, CANCELLED, and what the judges throw.
 */
export async function rankFiles(
  judges: Judges,
  prompt: string,
  paths: readonly string[],
  options: RankFilesOptions = {},
): Promise<FileRanking> {
  const { nearMisses = [], weights = {}, ...scoring } = options;
  const found: string[] = [];
  const unread: string[] = [];
  const pictures = readable(paths, found, unread);
  const { scores, warnings } = await judges.score(pictures, [prompt, ...nearMisses], scoring);
  requireSome(found, paths, unread[0]);
  const values = new Map(scores.map((one) => [one.judge, one.values]));
  const counted = new Map(Object.entries(weights) as [JudgeName, number][]);
  const ranking = rankCandidates(values, counted).map(({ index, ...place }) => {
    return { path: found[index]!, ...place };
  });
  return { ranking, warnings: [...unread, ...warnings] };
}

/** Files read and decoded off the main thread while one is being prepared there. */
const filesAhead = 2;

/** The pictures that can be read; `found` gets their paths, `unread` what is wrong with the others. */
async function* readable(
  paths: readonly string[],
  found: string[],
  unread: string[],
): AsyncGenerator<RasterImage> {
  const readings: Promise<FolderPicture>[] = [];
  let begun = 0;
  for (const path of paths) {
    while (begun < paths.length && readings.length <= filesAhead) {
      readings.push(ahead(readPictureFile(paths[begun++]!)));
    }
    try {
      const { image, notes } = await readings.shift()!;
      unread.push(...notes);
      found.push(path);
      yield image;
    } catch (cause) {
      if (!(cause instanceof MaliangError) || !['FILE_READ', 'IMAGE'].includes(cause.code))
        throw cause;
      unread.push(`${cause.message} It is left out.`);
    }
  }
}

function requireSome(found: readonly string[], paths: readonly string[], first?: string): void {
  if (found.length > 0) return;
  throw complain('DATA', {
    where: 'rank',
    expected: 'pictures',
    got: first === undefined ? 'none' : `none that can be read of ${paths.length} (${first})`,
    next: 'Give PNG, JPEG or WebP files.',
  });
}
