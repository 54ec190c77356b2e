/** @file SDXL's numbers beside the text: sizes, crop corner, and target size or aesthetic score (Podell et al. 2023, section 2.2). */
import type { PictureSize } from './picture-size.js';

export interface CropCorner {
  readonly top: number;
  readonly left: number;
}

/** What SDXL can be told about the picture its training set would have had. */
export interface SizeConditions {
  /** The size before cropping. Default: the picture's. */
  readonly originalSize?: PictureSize | undefined;
  /** Where the crop would have begun, pixels. Default 0, 0. */
  readonly cropTopLeft?: CropCorner | undefined;
  /** The size of the crop. Default: the picture's. */
  readonly targetSize?: PictureSize | undefined;
  /** The same for the unconditional side. Default: as above. */
  readonly negativeOriginalSize?: PictureSize | undefined;
  readonly negativeCropTopLeft?: CropCorner | undefined;
  readonly negativeTargetSize?: PictureSize | undefined;
  /** Refiner only: 1 to 10. Default 6 and 2.5. */
  readonly aestheticScore?: number | undefined;
  readonly negativeAestheticScore?: number | undefined;
}

export interface TimeIds {
  readonly positive: readonly number[];
  readonly negative: readonly number[];
}

export interface TimeIdRule {
  /** The picture that is drawn. */
  readonly size: PictureSize;
  readonly wantsAestheticScore: boolean;
  /** diffusers' pipelines over pictures differ from the one over words in the negative side. */
  readonly fromPicture: boolean;
}

/** The numbers as the three diffusers pipelines choose them. */
export function timeIdsOf(conditions: SizeConditions, rule: TimeIdRule): TimeIds {
  const { size, wantsAestheticScore, fromPicture } = rule;
  const original = conditions.originalSize ?? size;
  const crop = conditions.cropTopLeft ?? { top: 0, left: 0 };
  const target = conditions.targetSize ?? size;
  const negativeCrop = conditions.negativeCropTopLeft ?? { top: 0, left: 0 };
  const { negativeOriginalSize, negativeTargetSize } = conditions;
  if (wantsAestheticScore) {
    const { aestheticScore = 6, negativeAestheticScore = 2.5 } = conditions;
    return {
      positive: [...pair(original), crop.top, crop.left, aestheticScore],
      negative: [
        ...pair(negativeOriginalSize ?? original),
        negativeCrop.top,
        negativeCrop.left,
        negativeAestheticScore,
      ],
    };
  }
  const ids = (of: PictureSize, at: CropCorner, to: PictureSize): number[] => [
    ...pair(of),
    at.top,
    at.left,
    ...pair(to),
  ];
  const positive = ids(original, crop, target);
  if (fromPicture) {
    // diffusers takes the positive crop corner here.
    const negativeSide = negativeTargetSize ?? target;
    return { positive, negative: ids(negativeOriginalSize ?? original, crop, negativeSide) };
  }
  const isGiven = negativeOriginalSize !== undefined && negativeTargetSize !== undefined;
  return {
    positive,
    negative: isGiven ? ids(negativeOriginalSize, negativeCrop, negativeTargetSize) : positive,
  };
}

function pair({ height, width }: PictureSize): [number, number] {
  return [height, width];
}
