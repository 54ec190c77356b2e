/** @file The `parameters` text other programs read from a PNG: the format of stable-diffusion-webui (AUTOMATIC1111). */
import type { GeneratedImage } from './text-to-image.js';

type Setting = readonly [name: string, value: string | number | bigint | undefined];

/** Prompt, negative prompt and settings in the webui's order; `version` is that of Maliang. */
export function infotext(image: GeneratedImage, version: string): string {
  const settings: readonly Setting[] = [
    ['Steps', image.steps],
    ['Sampler', image.sampler.replace(/(?:Discrete)?Scheduler$/, '')],
    ['Schedule type', image.schedule],
    ['CFG scale', image.guidanceScale],
    ['Seed', image.seed],
    ['Size', `${image.width}x${image.height}`],
    ['Model', image.model],
    ['Variation seed', image.variationSeed],
    ['Variation seed strength', image.variationStrength],
    ['Denoising strength', image.strength],
    // The webui counts the last layer as 1 and leaves that out.
    ['Clip skip', image.clipSkip === 0 ? undefined : image.clipSkip + 1],
    ['RNG', image.noiseSource === 'cuda' ? 'NV' : 'CPU'],
    ['Version', `Maliang ${version}`],
  ];
  const given = settings.filter(([, value]) => value !== undefined);
  const lines = [image.prompt];
  if (image.negativePrompt) lines.push(`Negative prompt: ${image.negativePrompt}`);
  lines.push(given.map(([name, value]) => `${name}: ${quoted(`${value}`)}`).join(', '));
  return lines.join('\n');
}

/** Values that would break the list apart are written as JSON strings. */
function quoted(value: string): string {
  return /[,\n:]/.test(value) ? JSON.stringify(value) : value;
}
