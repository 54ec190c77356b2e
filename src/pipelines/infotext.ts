/** @file The `parameters` text other programs read from a picture: the format of stable-diffusion-webui (AUTOMATIC1111). */
import { basename } from 'node:path';
import { samplerLabel } from '../schedulers/names.js';
import { scheduleLabels } from '../schedulers/sampler-names.js';
import type { ScheduleName } from '../schedulers/schedule-names.js';
import { fastText } from './fast-plan.js';
import type { Recipe } from './provenance/recipe.js';

type Setting = readonly [name: string, value: string | number | bigint | undefined];

/** Prompt, negative prompt and settings in the webui's order; `version` is that of Maliang. */
export function infotext(
  { recipe }: { readonly recipe: Recipe },
  version = recipe.program.version,
): string {
  const { model, vae, loras = [], variation, sampler, schedule, fast } = recipe;
  const settings: readonly Setting[] = [
    ['Steps', recipe.steps],
    ['Sampler', samplerLabel(sampler.name ?? sampler.class)],
    ['Schedule type', schedule === null ? undefined : scheduleLabels[schedule as ScheduleName]],
    ['CFG scale', recipe.guidanceScale],
    ['Seed', recipe.seed],
    ['Size', `${recipe.width}x${recipe.height}`],
    ['Model hash', model.sha256.slice(0, 10)],
    ['Model', model.name.replace(/\.safetensors$/, '')],
    ['VAE hash', vae?.sha256.slice(0, 10)],
    ['VAE', vae && basename(vae.path)],
    ['Variation seed', variation?.seed],
    ['Variation seed strength', variation?.strength],
    ['Denoising strength', recipe.strength],
    // The webui counts the last layer as 1 and leaves that out.
    ['Clip skip', recipe.clipSkip === 0 ? undefined : recipe.clipSkip + 1],
    ['RNG', recipe.noiseSource === 'cuda' ? 'NV' : 'CPU'],
    ['Eta', recipe.eta === 0 ? undefined : recipe.eta],
    ['Mask blur', recipe.maskBlur],
    ['Emphasis', emphasisLabels[recipe.emphasis]],
    ['Lora hashes', hashes(loras.map(({ path, tensors }) => [path, tensors]))],
    ['TI hashes', hashes((recipe.embeddings ?? []).map(({ path, sha256 }) => [path, sha256]))],
    ['Fast', fast && fastText(fast)],
    ['Version', `Maliang ${version}`],
  ];
  const given = settings.filter(([, value]) => value !== undefined);
  const lines = [[recipe.prompt, ...loras.map(loraTag)].join(' ')];
  if (recipe.negativePrompt) lines.push(`Negative prompt: ${recipe.negativePrompt}`);
  lines.push(given.map(([name, value]) => `${name}: ${quoted(`${value}`)}`).join(', '));
  return writable(lines.join('\n'));
}

const emphasisLabels = {
  original: undefined,
  'no-norm': 'No norm',
  ignore: 'Ignore',
  none: 'None',
} as const;

function stemOf(path: string): string {
  return basename(path).replace(/\.[^.]*$/, '');
}

/** The webui takes its LoRAs from the prompt. */
function loraTag({ path, weight }: NonNullable<Recipe['loras']>[number]): string {
  return `<lora:${stemOf(path).replace(/[:<>]/g, '_')}:${weight}>`;
}

/** The webui shows the first twelve digits. */
function hashes(files: readonly (readonly [path: string, hash: string])[]): string | undefined {
  if (files.length === 0) return undefined;
  return files.map(([path, hash]) => `${stemOf(path)}: ${hash.slice(0, 12)}`).join(', ');
}

/** Values that would break the list apart are written as JSON strings. */
function quoted(value: string): string {
  return /[,\n:]/.test(value) ? JSON.stringify(value) : value;
}

/** No text chunk holds NUL or halves of characters; the recipe keeps them. */
function writable(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/\p{Surrogate}/gu, '\ufffd');
}
