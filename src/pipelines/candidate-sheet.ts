/** @file All candidates of a prompt in one picture, best first, each with its rank under it. */
import { complain } from '../core/errors.js';
import { encodePng } from '../formats/png.js';
import type { Pixels } from './decode-latents.js';

export interface SheetEntry {
  readonly picture: Pixels;
  /** From 1. */
  readonly rank: number;
  /** Kept ones stand on a light ground. */
  readonly isKept: boolean;
}

/** Ten digits, three columns by five rows, a row an octal digit. */
const digits = [
  0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757, 0o75717,
];
const gap = 4;
const grounds = { kept: [255, 255, 255], other: [96, 96, 96], sheet: [128, 128, 128] } as const;
type Colour = readonly [number, number, number];

/**
 * A PNG of the entries in the order given, in a grid as square as can be. Throws USAGE when
 * pictures differ in size or there are none.
 */
export function candidateSheet(entries: readonly SheetEntry[]): Uint8Array {
  const { width, height } = sizeOf(entries);
  const scale = Math.max(1, Math.round(Math.min(width, height) / 48));
  const label = 7 * scale;
  const columns = Math.ceil(Math.sqrt(entries.length));
  const rows = Math.ceil(entries.length / columns);
  const canvas = new Canvas(
    columns * (width + gap) + gap,
    rows * (height + label + gap) + gap,
    grounds.sheet,
  );
  entries.forEach(({ picture, rank, isKept }, at) => {
    const left = gap + (at % columns) * (width + gap);
    const top = gap + Math.floor(at / columns) * (height + label + gap);
    canvas.paste(picture, left, top);
    const ground = isKept ? grounds.kept : grounds.other;
    canvas.fill({ left, top: top + height, width, height: label }, ground);
    const ink: Colour = isKept ? [0, 0, 0] : [255, 255, 255];
    [...`${rank}`].forEach((digit, place) => {
      const x = left + scale + place * 4 * scale;
      canvas.digit(Number(digit), { left: x, top: top + height + scale, scale }, ink);
    });
  });
  const { width: w, height: h, data } = canvas;
  return encodePng({ width: w, height: h, channels: 3, data });
}

function sizeOf(entries: readonly SheetEntry[]): { width: number; height: number } {
  const sizes = new Set(entries.map(({ picture: { width, height } }) => `${width}x${height}`));
  const first = entries[0]?.picture;
  if (first && sizes.size === 1) return first;
  const [expected, got] = ['pictures of one size', [...sizes].join(', ') || 'none'];
  throw complain('USAGE', {
    where: 'candidate sheet',
    expected,
    got,
    next: 'Draw them at one size.',
  });
}

interface Area {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

class Canvas {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3]. */
  readonly data: Uint8Array;

  constructor(width: number, height: number, ground: Colour) {
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height * 3);
    this.fill({ left: 0, top: 0, width, height }, ground);
  }

  fill({ left, top, width, height }: Area, colour: Colour): void {
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) this.data.set(colour, (y * this.width + x) * 3);
    }
  }

  paste({ width, height, pixels }: Pixels, left: number, top: number): void {
    for (let y = 0; y < height; y++) {
      const row = pixels.subarray(y * width * 3, (y + 1) * width * 3);
      this.data.set(row, ((top + y) * this.width + left) * 3);
    }
  }

  digit(
    value: number,
    { left, top, scale }: { readonly left: number; readonly top: number; readonly scale: number },
    ink: Colour,
  ): void {
    for (let bit = 0; bit < 15; bit++) {
      if (((digits[value]! >> (14 - bit)) & 1) === 0) continue;
      const [column, row] = [bit % 3, Math.floor(bit / 3)];
      const at = { left: left + column * scale, top: top + row * scale };
      this.fill({ ...at, width: scale, height: scale }, ink);
    }
  }
}
