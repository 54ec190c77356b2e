/** @file AutoencoderTiny as its author publishes it (TAESD, two Sequentials): its configuration and its keys. */
import type { ConfigJson } from '../config-reader.js';
import { type Origin, type StoredShapes, whole } from './origin.js';

/** How the two halves are named in a file; undefined for a half it lacks. */
export interface TaesdLayout {
  readonly config: ConfigJson;
  readonly encoder: string | undefined;
  readonly decoder: string | undefined;
  /** diffusers' names: the decoder's clamp is not counted. */
  readonly isDiffusers: boolean;
}

/** Reads the structure out of keys and shapes; undefined when there is no such autoencoder. */
export function inferTaesd(stored: StoredShapes): TaesdLayout | undefined {
  if (stored.has('decoder.layers.0.weight') || stored.has('encoder.layers.0.weight')) {
    return layout(stored, 'encoder.layers.', 'decoder.layers.', true);
  }
  for (const [encoder, decoder] of [
    ['taesd_encoder.', 'taesd_decoder.'],
    ['encoder.', 'decoder.'],
  ] as const) {
    if (stored.has(`${decoder}1.weight`) || stored.has(`${encoder}1.conv.0.weight`)) {
      return layout(stored, encoder, decoder, false);
    }
  }
  // One half alone: the decoder begins with a clamp, which stores nothing.
  const isEncoder = stored.has('0.weight') && stored.has('1.conv.0.weight');
  const isDecoder = stored.has('1.weight') && stored.has('3.conv.0.weight');
  if (isEncoder) return layout(stored, '', undefined, false);
  return isDecoder ? layout(stored, undefined, '', false) : undefined;
}

function layout(
  stored: StoredShapes,
  encoder: string | undefined,
  decoder: string | undefined,
  isDiffusers: boolean,
): TaesdLayout | undefined {
  const shift = isDiffusers ? 0 : 1;
  const from = encoder === undefined ? [] : layersOf(stored, encoder, 0);
  const to = decoder === undefined ? [] : layersOf(stored, decoder, shift);
  const encoderBlocks = blocksPerStage(from);
  const decoderBlocks = blocksPerStage(to);
  const blocks = encoderBlocks ?? decoderBlocks?.toReversed();
  if (blocks === undefined) return undefined;
  const code = from.at(-1)?.shape[0] ?? to[0]?.shape[1];
  const width = from[0]?.shape[0] ?? to[0]?.shape[0];
  const toWidth = to[0]?.shape[0] ?? width;
  return {
    config: {
      latent_channels: code,
      num_encoder_blocks: blocks,
      num_decoder_blocks: decoderBlocks ?? blocks.toReversed(),
      encoder_block_out_channels: blocks.map(() => width),
      decoder_block_out_channels: blocks.map(() => toWidth),
    },
    encoder: from.length === 0 ? undefined : encoder,
    decoder: to.length === 0 ? undefined : decoder,
    isDiffusers,
  };
}

interface Layer {
  readonly index: number;
  readonly isBlock: boolean;
  readonly shape: readonly number[];
}

/** Numbered layers that store something, in order. */
function layersOf(stored: StoredShapes, prefix: string, shift: number): Layer[] {
  const layers: Layer[] = [];
  for (const [key, { shape }] of stored) {
    const found = key.startsWith(prefix)
      ? /^(\d+)\.(?:(conv)\.0\.)?weight$/.exec(key.slice(prefix.length))
      : null;
    if (found) layers.push({ index: Number(found[1]) - shift, isBlock: !!found[2], shape });
  }
  return layers.sort((a, b) => a.index - b.index);
}

/** Lengths of the runs of blocks between plain convolutions, in order. */
function blocksPerStage(layers: readonly Layer[]): number[] | undefined {
  if (layers.length < 2) return undefined;
  const runs: number[] = [];
  let run = 0;
  for (const { isBlock } of layers.slice(1)) {
    if (isBlock) run++;
    else {
      runs.push(run);
      run = 0;
    }
  }
  return runs;
}

/** Where a parameter of diffusers' AutoencoderTiny lies. */
export function taesdOrigin(parameter: string, layoutOf: TaesdLayout): Origin {
  const found = /^(encoder|decoder)\.layers\.(\d+)\.(.*)$/.exec(parameter);
  if (!found) return whole(parameter);
  const [, half, index, rest] = found as unknown as [string, 'encoder' | 'decoder', string, string];
  const shift = half === 'decoder' && !layoutOf.isDiffusers ? 1 : 0;
  const prefix = layoutOf[half] ?? `(no ${half}) `;
  return whole(`${prefix}${Number(index) + shift}.${rest}`);
}
