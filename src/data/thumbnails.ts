/** @file Small thumbnails of pictures: which look alike, also mirrored, and their mean colour. */

const side = 8;
const values = side * side * 4;

/** Mean absolute difference per thumbnail value, 0 to 255, below which two pictures are alike. */
const alikeBelow = 4;

/** An 8x8 premultiplied RGBA thumbnail by box average of a square picture. */
export function thumbnailOf(pixels: Uint8Array, size: number): Uint8Array {
  const box = size / side;
  const sums = new Float64Array(values);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const to = (Math.floor(y / box) * side + Math.floor(x / box)) * 4;
      const at = (y * size + x) * 4;
      for (let channel = 0; channel < 4; channel++) sums[to + channel]! += pixels[at + channel]!;
    }
  }
  return Uint8Array.from(sums, (sum) => Math.round(sum / (box * box)));
}

/** Mean colour of what the thumbnail covers, 0 to 255; black for an empty picture. */
export function meanColour(thumbnail: Uint8Array): [number, number, number] {
  const sums: [number, number, number, number] = [0, 0, 0, 0];
  for (const [at, value] of thumbnail.entries()) sums[at % 4]! += value;
  const [red, green, blue, alpha] = sums;
  const scale = 255 / Math.max(alpha, 1);
  return [Math.round(red * scale), Math.round(green * scale), Math.round(blue * scale)];
}

/** Pairs (a < b) of thumbnails that are alike directly or after mirroring left to right. */
export function alikePairs(thumbnails: readonly Uint8Array[]): [number, number][] {
  const mirrored = thumbnails.map(mirror);
  const pairs: [number, number][] = [];
  for (const [b, second] of thumbnails.entries()) {
    for (let a = 0; a < b; a++) {
      if (areAlike(thumbnails[a]!, second) || areAlike(mirrored[a]!, second)) pairs.push([a, b]);
    }
  }
  return pairs;
}

function areAlike(first: Uint8Array, second: Uint8Array): boolean {
  const limit = alikeBelow * values;
  let sum = 0;
  for (let at = 0; at < values; ) {
    for (const end = at + 32; at < end; at++) sum += Math.abs(first[at]! - second[at]!);
    if (sum >= limit) return false;
  }
  return true;
}

function mirror(thumbnail: Uint8Array): Uint8Array {
  const out = new Uint8Array(values);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = (y * side + (side - 1 - x)) * 4;
      out.set(thumbnail.subarray(from, from + 4), (y * side + x) * 4);
    }
  }
  return out;
}
