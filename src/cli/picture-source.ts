/** @file Reads the pictures a drawing starts from: --init or --vary, and --mask. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { complain } from '../core/errors.js';
import { type RasterImage, readPicture } from '../formats/image.js';
import type { OriginOptions, PictureOrigin } from '../pipelines/provenance/record-picture.js';
import type { Say } from './messages.js';
import type { OptionValues } from './option-table.js';
import { printable } from './printable.js';
import { usageError } from './usage.js';

export interface PictureSource {
  readonly init: RasterImage | undefined;
  readonly mask: RasterImage | 'alpha' | undefined;
  /** The files they were read from, for the recipe. */
  readonly origins: NonNullable<OriginOptions['origins']>;
  /** What was changed to read them. */
  readonly notes: readonly string[];
}

/** What --vary stands for. */
export const variation = { strength: 0.5, variationStrength: 0.3 } as const;

export function variationStrengthOf(values: OptionValues): number | undefined {
  const fallback = values.vary === undefined ? undefined : variation.variationStrength;
  return values['variation-strength'] ?? fallback;
}

/** Throws USAGE, FILE_READ or IMAGE, naming the option. */
export async function readSource(
  { init, vary, mask }: OptionValues,
  { say, folder }: { readonly say: Say; readonly folder: string },
): Promise<PictureSource> {
  if (init !== undefined && vary !== undefined) {
    const [expected, got] = [say('usage.noVary'), say('usage.both')];
    throw usageError(say, { where: '--init', expected, got });
  }
  const notes: string[] = [];
  const origins: { init?: PictureOrigin; mask?: PictureOrigin } = {};
  const read = async (where: string, path: string): Promise<RasterImage> => {
    const whole = resolve(folder, path);
    const bytes = await bytesOf(where, whole);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    origins[where === '--mask' ? 'mask' : 'init'] = { path: whole, sha256 };
    const picture = await readPicture(bytes, { channels: 4, where: `${where} ${printable(path)}` });
    notes.push(...picture.notes);
    return picture.image;
  };
  const isMaskAlpha = mask === 'alpha';
  const [option, path] = init === undefined ? ['--vary', vary] : ['--init', init];
  return {
    init: path === undefined ? undefined : await read(option!, path),
    mask: mask === undefined || isMaskAlpha ? mask : await read('--mask', mask),
    notes,
    origins,
  } as PictureSource;
}

async function bytesOf(where: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const got = `${(cause as NodeJS.ErrnoException).code}: ${printable(path)}`;
    throw complain('FILE_READ', { where, expected: 'a picture file', got }, cause);
  }
}
