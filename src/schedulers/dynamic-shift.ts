/** @file How flow models shift noise levels with the size of the picture, Esser et al. 2024. */

/** Two anchors: the shift of the smallest and of the largest picture, in tokens. */
export interface ShiftAnchors {
  readonly baseShift: number;
  readonly maxShift: number;
  readonly baseImageSeqLen: number;
  readonly maxImageSeqLen: number;
}

/** The exponent of dynamic shifting for a picture of `imageTokens` tokens: linear between the two anchors. */
export function dynamicShift(anchors: ShiftAnchors, imageTokens: number): number {
  const { baseShift, maxShift, baseImageSeqLen, maxImageSeqLen } = anchors;
  const slope = (maxShift - baseShift) / (maxImageSeqLen - baseImageSeqLen);
  return imageTokens * slope + (baseShift - slope * baseImageSeqLen);
}
