/** @file Named background colours, with their words in both languages. */
import type { DataRandom } from './shuffle.js';

export interface BackgroundColour {
  readonly id: string;
  /** sRGB, 0 to 255. */
  readonly rgb: readonly [number, number, number];
  readonly en: string;
  readonly zh: string;
}

export const white: BackgroundColour = {
  id: 'white',
  rgb: [255, 255, 255],
  en: 'white',
  zh: '白色',
};

type Rgb = readonly [number, number, number];

/** Distance in sRGB below which a picture would sink into its background. */
const leastDistance = 70;

/** A named colour that stands off from each of the given mean colours. */
export function pickBackground(meanColours: readonly Rgb[], random: DataRandom): BackgroundColour {
  const isClear = ({ rgb }: BackgroundColour): boolean =>
    meanColours.every((mean) => Math.hypot(...mean.map((v, at) => v - rgb[at]!)) >= leastDistance);
  const clear = namedBackgrounds.filter(isClear);
  return random.pick(clear.length > 0 ? clear : namedBackgrounds);
}

/** Light tones dominate, because most pictures are saturated and outlined in dark. */
export const namedBackgrounds: readonly BackgroundColour[] = [
  { id: 'light-blue', rgb: [173, 216, 240], en: 'light blue', zh: '浅蓝色' },
  { id: 'blue', rgb: [60, 120, 216], en: 'blue', zh: '蓝色' },
  { id: 'light-green', rgb: [190, 230, 180], en: 'light green', zh: '浅绿色' },
  { id: 'green', rgb: [70, 160, 85], en: 'green', zh: '绿色' },
  { id: 'yellow', rgb: [255, 224, 90], en: 'yellow', zh: '黄色' },
  { id: 'orange', rgb: [250, 165, 70], en: 'orange', zh: '橙色' },
  { id: 'red', rgb: [220, 65, 60], en: 'red', zh: '红色' },
  { id: 'pink', rgb: [255, 192, 208], en: 'pink', zh: '粉色' },
  { id: 'purple', rgb: [140, 95, 190], en: 'purple', zh: '紫色' },
  { id: 'brown', rgb: [150, 105, 70], en: 'brown', zh: '棕色' },
  { id: 'grey', rgb: [180, 180, 180], en: 'grey', zh: '灰色' },
  { id: 'black', rgb: [20, 20, 20], en: 'black', zh: '黑色' },
  { id: 'beige', rgb: [240, 225, 195], en: 'beige', zh: '米色' },
];
