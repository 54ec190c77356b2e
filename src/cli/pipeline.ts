/** @file Opens the text-to-image pipeline. */
import type { PngTextEntry } from '../formats/png.js';

export interface Picture {
  readonly kind: 'image';
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly text?: readonly PngTextEntry[];
}

export interface Step {
  readonly kind: 'step';
  readonly image: number;
  readonly step: number;
  readonly steps: number;
}

export interface DrawOptions {
  readonly seed: number;
  readonly num: number;
  readonly steps?: number;
  readonly guidanceScale?: number;
  readonly negativePrompt?: string;
  readonly width?: number;
  readonly height?: number;
  readonly signal: AbortSignal;
}

export interface Pipeline extends AsyncDisposable {
  stream(prompt: string, options: DrawOptions): AsyncIterable<Picture | Step>;
}

export async function openPipeline(
  folder: string | undefined,
  options: { threads?: number; signal: AbortSignal },
): Promise<Pipeline> {
  const file = '../pipelines/text-to-image.js';
  const { TextToImage } = (await import(file)) as {
    TextToImage: { fromPretrained(path: string | undefined, o: object): Promise<Pipeline> };
  };
  return TextToImage.fromPretrained(folder, options);
}
