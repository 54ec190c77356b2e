/** @file Null tier: every preset builds, verifies, has the published number of weights, and can be differentiated. */
import { describe, expect, it } from 'vitest';
import { elementCount } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import { grad } from '../graph/grad.js';
import { input, type Tensor } from '../graph/tensor.js';
import { verifyGraph } from '../graph/verify.js';
import { declareOnce, Scope } from '../nn/scope.js';
import { aestheticHeadPresets } from './aesthetic-head.js';
import { autoencoderKlPresets } from './autoencoder-kl-config.js';
import { autoencoderTinyPresets } from './autoencoder-tiny.js';
import { blipPresets } from './blip-config.js';
import { clipPresets, clipTextPresets, clipVisionPresets } from './clip-config.js';
import type { ConfigJson } from './config-reader.js';
import { fidInceptionPresets } from './inception-v3.js';
import { latentDraftPresets } from './latent-draft.js';
import {
  type ComponentClass,
  componentParameters,
  components,
  parseComponent,
} from './registry.js';
import { sd3TransformerPresets } from './sd3-transformer-config.js';
import { siglipPresets } from './siglip-config.js';
import { t5EncoderPresets } from './t5-encoder-config.js';
import { unet2dCondition } from './unet-2d-condition.js';
import { parseUnet2dConditionConfig, unet2dConditionPresets } from './unet-2d-condition-config.js';

/** Weights counted on the classes of diffusers and transformers; equal to the published files. */
const counts: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  UNet2DConditionModel: {
    tiny: 51_684,
    sd1: 859_520_964,
    sd1Inpainting: 859_535_364,
    sd2: 865_910_724,
    sd2Inpainting: 865_925_124,
    sdxl: 2_567_463_684,
    sdxlRefiner: 2_259_526_660,
  },
  SD3Transformer2DModel: {
    tiny: 22_032,
    sd3Medium: 2_028_328_000,
    sd35Medium: 2_243_171_520,
    sd35Large: 8_056_627_520,
  },
  AutoencoderKL: { tiny: 43_711, sd: 83_653_863, sdxl: 83_653_863, sd3: 83_819_683 },
  AutoencoderTiny: { tiny: 9_191, taesd: 2_445_063, taesd3: 2_458_899 },
  CLIPTextModel: {
    tiny: 5_760,
    vitBase: 63_165_952,
    vitLarge14: 123_060_480,
    vitHuge14: 340_387_840,
    vitBigG14: 693_021_440,
  },
  CLIPTextModelWithProjection: {
    tiny: 5_952,
    vitBase: 63_428_096,
    vitLarge14: 123_650_304,
    vitHuge14: 340_912_128,
    vitBigG14: 694_659_840,
  },
  CLIPVisionModelWithProjection: {
    tiny: 7_872,
    vitBase32: 87_849_216,
    vitBase16: 86_192_640,
    vitLarge14: 303_966_208,
    vitHuge14: 632_076_800,
    vitBigG14: 1_844_907_264,
  },
  CLIPModel: {
    tiny: 13_825,
    vitBase32: 151_277_313,
    vitBase16: 149_620_737,
    vitLarge14: 427_616_513,
    vitHuge14: 986_109_441,
    vitBigG14: 2_539_567_105,
  },
  SiglipModel: {
    tiny: 15_746,
    basePatch16: 203_155_970,
    basePatch16At384: 203_447_810,
    so400mPatch14At384: 877_960_498,
  },
  BlipForImageTextRetrieval: { tiny: 16_234, base: 223_744_258, large: 446_128_642 },
  BlipForConditionalGeneration: { tiny: 16_160, base: 223_971_644, large: 446_290_492 },
  AestheticHead: { tiny: 199, sacLogosAva1L14: 927_969, linearL14: 769 },
  T5EncoderModel: { tiny: 4_496, xxl: 4_762_310_656 },
  FidInceptionV3: { published: 23_850_960 },
  LatentDraft: { tiny: 1_508, builtin: 723_848 + 512 },
};

const presets: Readonly<Record<string, Readonly<Record<string, ConfigJson>>>> = {
  UNet2DConditionModel: unet2dConditionPresets,
  SD3Transformer2DModel: sd3TransformerPresets,
  AutoencoderKL: autoencoderKlPresets,
  AutoencoderTiny: autoencoderTinyPresets,
  CLIPTextModel: clipTextPresets,
  CLIPTextModelWithProjection: clipTextPresets,
  CLIPVisionModelWithProjection: clipVisionPresets,
  CLIPModel: clipPresets,
  SiglipModel: siglipPresets,
  BlipForImageTextRetrieval: blipPresets,
  BlipForConditionalGeneration: blipPresets,
  AestheticHead: aestheticHeadPresets,
  T5EncoderModel: t5EncoderPresets,
  FidInceptionV3: fidInceptionPresets,
  LatentDraft: latentDraftPresets,
};

const total = (tensors: ReadonlyMap<string, Tensor>): number =>
  [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);

it('lists presets and counts of the same classes and names', () => {
  const names = (table: Readonly<Record<string, object>>): string[] =>
    Object.entries(table).flatMap(([name, rows]) =>
      Object.keys(rows).map((row) => `${name} ${row}`),
    );
  expect(names(counts)).toEqual(names(presets));
  expect(Object.keys(presets).sort()).toEqual(Object.keys(components).sort());
});

describe.each(Object.entries(presets))('%s', (className, rows) => {
  it.each(Object.entries(rows))('%s has its number of weights', (name, json) => {
    const { weights } = componentParameters(parseComponent(className, json));
    expect(total(weights)).toBe(counts[className]![name]);
  });
});

it('stores the position table of SD3 beside the weights', () => {
  const sd3 = parseComponent('SD3Transformer2DModel', sd3TransformerPresets.sd3Medium);
  const { buffers } = componentParameters(sd3);
  expect([...buffers].map(([name, { shape }]) => [name, shape])).toEqual([
    ['pos_embed.pos_embed', [1, 192 * 192, 1536]],
  ]);
});

it('builds the whole SD 1 graph at full size in well under a second', () => {
  const config = parseUnet2dConditionConfig(unet2dConditionPresets.sd1);
  const start = performance.now();
  const out = unet2dCondition(new Scope(), config, {
    sample: input('sample', [2, 4, 64, 96]),
    timesteps: input('timesteps', [2]),
    encoderHiddenStates: input('text', [2, 77, 768]),
  });
  verifyGraph([out]);
  expect(out.shape).toEqual([2, 4, 64, 96]);
  expect(performance.now() - start).toBeLessThan(1000);
});

it('reaches every weight of a small denoiser from its loss', () => {
  const weights = new Map<string, Tensor>();
  const config = parseUnet2dConditionConfig(unet2dConditionPresets.tiny);
  const out = unet2dCondition(new Scope('', declareOnce(weights)), config, {
    sample: input('sample', [2, 4, 8, 8]),
    timesteps: input('timesteps', [2]),
    encoderHiddenStates: input('text', [2, 5, 12]),
  });
  const gradients = grad(g.mean(g.square(out)), [...weights.values()]);
  verifyGraph(gradients);
  const names = [...weights.keys()];
  const unreached = names.filter((_, i) => gradients[i]!.op === 'Constant');
  expect(unreached).toEqual([]);
});

it('names every class a registry row is for', () => {
  for (const className of Object.keys(components) as ComponentClass[]) {
    expect(components[className].weightName('some.weight')).toBe('some.weight');
  }
});
