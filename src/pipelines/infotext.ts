/** @file The `parameters` text other programs read from a PNG: the format of stable-diffusion-webui (AUTOMATIC1111). */
import type { GeneratedImage } from './text-to-image.js';

/** Prompt, negative prompt and settings; `version` is that of Maliang. */
export function infotext(image: GeneratedImage, version: string): string {
  const settings: readonly (readonly [string, string | number | bigint])[] = [
    ['Steps', image.steps],
    ['Sampler', image.sampler.replace(/(?:Discrete)?Scheduler$/, '')],
    ['CFG scale', image.guidanceScale],
    ['Seed', image.seed],
    ['Size', `${image.width}x${image.height}`],
    ['Model', image.model],
    ['Version', `Maliang ${version}`],
  ];
  const lines = [image.prompt];
  if (image.negativePrompt) lines.push(`Negative prompt: ${image.negativePrompt}`);
  lines.push(settings.map(([name, value]) => `${name}: ${quoted(`${value}`)}`).join(', '));
  return lines.join('\n');
}

/** Values that would break the list apart are written as JSON strings. */
function quoted(value: string): string {
  return /[,\n:]/.test(value) ? JSON.stringify(value) : value;
}
