/** @file Small folders of pictures for evaluations, and a CLIP model of tiny towers in the Hugging Face layout. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TorchGenerator } from '../../src/core/random.js';
import { referenceWeight } from '../../src/core/reference-weights.js';
import { floatTensor } from '../../src/core/tensor-data.js';
import { encodePng } from '../../src/formats/png.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { readTokenizerFolder } from '../../src/hub/tokenizer-folder.js';
import { componentParameters, parseComponent } from '../../src/models/registry.js';

export interface PictureOptions {
  readonly seed: number;
  readonly width?: number;
  readonly height?: number;
}

/** A PNG of a few coloured stripes and blocks. */
export function picturePng({ seed, width = 40, height = 40 }: PictureOptions): Uint8Array {
  const random = new TorchGenerator(seed);
  const draw = (below: number): number => random.random32() % below;
  const colours = Array.from({ length: 4 }, () => [draw(256), draw(256), draw(256)]);
  const [x0, y0, step] = [draw(width), draw(height), 3 + draw(9)];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const index = (x > x0 ? 1 : 0) + (Math.floor((y + y0) / step) % 2 === 0 ? 2 : 0);
      data.set(colours[index]!, (y * width + x) * 3);
    }
  }
  return encodePng({ width, height, channels: 3, data });
}

/** Writes `count` pictures, `00.png` first. */
export function writePictures(
  folder: string,
  count: number,
  { seed, ...size }: PictureOptions,
): string {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const name = `${i}`.padStart(2, '0');
    writeFileSync(join(folder, `${name}.png`), picturePng({ seed: seed * 1000 + i, ...size }));
  }
  return folder;
}

const tokenizerFiles = fileURLToPath(
  new URL('../fixtures/pipelines/sd1/tokenizer/', import.meta.url),
);

/** A CLIPModel of one layer over 32×32 pixels, with the weights of the reference function. */
export async function writeClipFolder(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(tokenizerFiles)) {
    copyFileSync(join(tokenizerFiles, name), join(folder, name));
  }
  const { vocabSize, eosId } = await readTokenizerFolder(tokenizerFiles);
  const tower = { hidden_size: 24, intermediate_size: 40, num_hidden_layers: 1 };
  const config = {
    architectures: ['CLIPModel'],
    text_config: { ...tower, num_attention_heads: 3, vocab_size: vocabSize, eos_token_id: eosId },
    vision_config: { ...tower, num_attention_heads: 3, image_size: 32, patch_size: 8 },
    projection_dim: 16,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const scale = { image_mean: [0.4, 0.5, 0.6], image_std: [0.2, 0.25, 0.3] };
  writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(scale));
  const { weights } = componentParameters(parseComponent('CLIPModel', config));
  const tensors = [...weights].map(([name, { shape }]) => {
    const data = name === 'logit_scale' ? Float32Array.of(4) : referenceWeight(name, shape);
    return [name, floatTensor(data, shape)] as const;
  });
  writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(new Map(tensors)));
  return folder;
}
