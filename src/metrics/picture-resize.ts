/** @file Pictures of any size to the square a feature network takes; the rule is part of every figure. */
import { crop, type Raster, resample } from '../formats/resample.js';
import { type Plane, resamplePlane } from '../formats/resample-float.js';
import { tensorflowBilinear } from '../formats/tensorflow-bilinear.js';

/**
 * - `clean`: the whole picture, Pillow's bicubic kernel on unrounded channels (clean-fid).
 * - `legacy`: the whole picture, TensorFlow 1's bilinear rule (torch-fidelity, torchmetrics).
 * - `clip`: the shorter side by Pillow's bicubic kernel in bytes, then the middle (CLIP).
 */
export const resizeRules = ['clean', 'legacy', 'clip'] as const;
export type ResizeRule = (typeof resizeRules)[number];

const rules: { readonly [K in ResizeRule]: (image: Raster, side: number) => Float32Array } = {
  clean: (image, side) =>
    joined(image, (plane) => {
      const options = { width: side, height: side, kernel: 'bicubic' } as const;
      const { data } = resamplePlane(plane, options);
      return data.map((value) => Math.min(255, Math.max(0, value)));
    }),
  legacy: (image, side) =>
    joined(image, (plane) => tensorflowBilinear(plane, { width: side, height: side }).data),
  clip: (image, side) => joined(middle(image, side), ({ data }) => data),
};

/** An RGB picture as planes [3, side, side] of 0 to 255. */
export function resizeForNetwork(image: Raster, rule: ResizeRule, side: number): Float32Array {
  return rules[rule](image, side);
}

/** Each of the three channels through `change`, one after the other. */
function joined(image: Raster, change: (plane: Plane) => Float32Array): Float32Array {
  const { width, height, channels, data } = image;
  const planes = [0, 1, 2].map((c) => {
    const plane = new Float32Array(width * height);
    for (let i = 0; i < plane.length; i++) plane[i] = data[i * channels + c]!;
    return change({ width, height, data: plane });
  });
  const out = new Float32Array(3 * planes[0]!.length);
  planes.forEach((plane, c) => {
    out.set(plane, c * plane.length);
  });
  return out;
}

/** As transformers' CLIP does: the longer side keeps its ratio, rounded down, and loses both ends. */
function middle(image: Raster, side: number): Raster {
  const { width, height } = image;
  const [short, long] = width <= height ? [width, height] : [height, width];
  const other = Math.trunc((side * long) / short);
  const [wide, high] = width <= height ? [side, other] : [other, side];
  const resized = resample(image, { width: wide, height: high, kernel: 'bicubic' });
  const [left, top] = [Math.floor((wide - side) / 2), Math.floor((high - side) / 2)];
  return crop(resized, [left, top, left + side, top + side]);
}
