/** @file The parts of Stable Diffusion that are timed: their graphs, cases and how long one run may take. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countFlops } from '../../dist/graph/flops.js';
import { input } from '../../dist/graph/tensor.js';
import { autoencoderKlDecode, autoencoderKlEncode } from '../../dist/models/autoencoder-kl.js';
import { autoencoderTinyDecode } from '../../dist/models/autoencoder-tiny.js';
import { clipText } from '../../dist/models/clip-text.js';
import { parseComponent, Scope } from '../../dist/models/registry.js';
import { unet2dCondition } from '../../dist/models/unet-2d-condition.js';

/** Where the configuration of a part lies, its graph from named inputs, and what it is asked to be: peer's time over ours. */
export const parts = {
  text: {
    title: 'CLIP-L text, 77 tokens',
    place: 'sd15/text_encoder',
    asked: 1,
    build: (config, { input_ids: ids }) => {
      const eosPosition = input('eosPosition', [ids.shape[0]], 'i64');
      return {
        last_hidden_state: clipText(new Scope(), config, { ids, eosPosition }).lastHiddenState,
      };
    },
  },
  encode: {
    title: 'VAE encode',
    place: 'sd15/vae',
    asked: 1,
    build: (config, { picture }) => {
      const { mean, logVariance } = autoencoderKlEncode(new Scope(), config, picture);
      return { mean, logvar: logVariance };
    },
  },
  decode: {
    title: 'VAE decode',
    place: 'sd15/vae',
    asked: 1.2,
    build: (config, { latents }) => ({
      picture: autoencoderKlDecode(new Scope(), config, latents),
    }),
  },
  taesd: {
    title: 'TAESD decode',
    place: 'taesd',
    build: (config, { latents }) => ({
      picture: autoencoderTinyDecode(new Scope(), config, latents),
    }),
  },
  unet: {
    title: 'UNet of Stable Diffusion 1.5',
    place: 'sd15/unet',
    asked: 1.2,
    build: (config, { sample, timestep, encoder_hidden_states: encoderHiddenStates }) => ({
      sample: unet2dCondition(new Scope(), config, {
        sample,
        timesteps: timestep,
        encoderHiddenStates,
      }),
    }),
  },
};

/** `unet-512x2` is the part, the side of the picture and the batch. */
export function parseCase(id) {
  const [, part, side, batch] = /^(\w+)-(\d+)x(\d+)$/.exec(id);
  return { part, side: Number(side), batch: Number(batch) };
}

export function readConfig(folder, part) {
  const { place } = parts[part];
  const json = JSON.parse(readFileSync(join(folder, place, 'config.json'), 'utf8'));
  return { json, ...parseComponent(json._class_name ?? json.architectures[0], json) };
}

/** Shapes of the inputs of a case, as models.py makes them. */
export function inputShapes(folder, id) {
  const { part, side, batch } = parseCase(id);
  const latents = [batch, 4, side / 8, side / 8];
  if (part === 'text') return { input_ids: [batch, 77] };
  if (part === 'encode') return { picture: [batch, 3, side, side] };
  if (part !== 'unet') return { latents };
  const width = readConfig(folder, 'unet').json.cross_attention_dim;
  return { sample: latents, timestep: [batch], encoder_hidden_states: [batch, 77, width] };
}

/** What a graph calls an input; outputs may have the same name in the reference. */
export const feedName = (name) => `input.${name}`;

/** The graph of a case, its outputs named as in the reference. */
export function graphOf(folder, id) {
  const { part } = parseCase(id);
  const inputs = Object.entries(inputShapes(folder, id)).map(([name, shape]) => [
    name,
    input(feedName(name), shape, name === 'input_ids' ? 'i64' : 'f32'),
  ]);
  const { config } = readConfig(folder, part);
  return new Map(Object.entries(parts[part].build(config, Object.fromEntries(inputs))));
}

export const flopsOf = (folder, id) => countFlops(graphOf(folder, id));
export const totalFlops = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);

/** Side of the pictures the UNet was made for: 512, or 64 in the folder of small models. */
export function nativeSide(folder) {
  if (!existsSync(join(folder, 'sd15'))) return undefined;
  return 8 * readConfig(folder, 'unet').json.sample_size;
}

/** Cases by the name `--only` takes. Growth is split so that every name takes some minutes. */
export function caseGroups(side) {
  const [half, more, twice] = [side / 2, (side * 3) / 2, side * 2];
  return {
    text: [`text-${side}x2`],
    encode: [`encode-${side}x1`],
    decode: [`decode-${side}x1`],
    taesd: [`taesd-${side}x1`],
    unet: [`unet-${side}x2`],
    'growth-text': [1, 4, 8].map((n) => `text-${side}x${n}`),
    'growth-unet': [`unet-${half}x1`, `unet-${side}x1`, `unet-${more}x1`],
    'growth-unet-large': [`unet-${twice}x1`],
    'growth-unet-batch': [`unet-${half}x4`, `unet-${half}x8`, `unet-${side}x4`],
    'growth-unet-batch-8': [`unet-${side}x8`],
    'growth-decode': [`decode-${half}x1`, `decode-${more}x1`, `decode-${side}x2`],
    'growth-decode-large': [`decode-${twice}x1`],
    'growth-decode-batch': [`decode-${half}x4`, `decode-${half}x8`, `decode-${side}x4`],
    'growth-encode': [`encode-${half}x1`, `encode-${more}x1`, `encode-${twice}x1`],
    'growth-encode-batch': [`encode-${half}x4`, `encode-${half}x8`, `encode-${side}x4`],
    'growth-taesd': [half, more, twice].map((one) => `taesd-${one}x1`),
  };
}
