/** @file Where the pictures of a composed scene lie, in units of the canvas. */
import type { DataRandom } from './shuffle.js';

/** A square box by its centre and side; the canvas is 1 wide, y points down. */
export interface SceneBox {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

export const scenePlaces = [
  'left',
  'right',
  'top',
  'bottom',
  'centre',
  'top left',
  'top right',
  'bottom left',
  'bottom right',
] as const;
export type ScenePlace = (typeof scenePlaces)[number];

/** One small picture at a named place. */
export function placedBox(place: ScenePlace, random: DataRandom): SceneBox {
  const side = random.between(0.36, 0.46);
  const near = side / 2 + 0.03;
  const x = place.includes('left') ? near : place.includes('right') ? 1 - near : 0.5;
  const y = place.includes('top') ? near : place.includes('bottom') ? 1 - near : 0.5;
  return { x, y, side };
}

/** Two boxes, the first left of, or above, the second; sides may differ. */
export function pairBoxes(
  direction: 'horizontal' | 'vertical',
  sides: readonly [number, number],
  random: DataRandom,
): [SceneBox, SceneBox] {
  const [first, second] = sides;
  const gap = (1 - first - second) / 3;
  const along = [gap + first / 2, 1 - gap - second / 2] as const;
  const across = (side: number): number =>
    0.5 + random.between(-1, 1) * Math.min(0.1, (1 - side) / 2);
  const box = (at: number, side: number): SceneBox =>
    direction === 'horizontal'
      ? { x: at, y: across(side), side }
      : { x: across(side), y: at, side };
  return [box(along[0], first), box(along[1], second)];
}

/** Boxes of `count` equal things, 2 to 5: a row, a triangle, a square or a quincunx. */
export function countBoxes(count: 2 | 3 | 4 | 5, random: DataRandom): SceneBox[] {
  const [near, far] = [0.26, 0.74];
  if (count === 2) return pairBoxes('horizontal', [0.44, 0.44], random);
  if (count === 3 && random.chance(0.5)) return rowBoxes(3);
  const corners = [
    { x: near, y: near },
    { x: far, y: near },
    { x: near, y: far },
    { x: far, y: far },
  ];
  const triangle = [{ x: 0.5, y: near }, ...corners.slice(2)];
  const centres = count === 3 ? triangle : corners.slice(0, 4);
  if (count === 5) centres.push({ x: 0.5, y: 0.5 });
  const side = count === 5 ? 0.32 : 0.42;
  return centres.map((centre) => ({ ...centre, side }));
}

/** `count` boxes in a row from left to right. */
export function rowBoxes(count: number): SceneBox[] {
  const step = 0.98 / count;
  const side = step * 0.96;
  return Array.from({ length: count }, (_, at) => ({ x: 0.01 + step * (at + 0.5), y: 0.5, side }));
}
