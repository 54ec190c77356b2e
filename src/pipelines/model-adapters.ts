/** @file What is added to a model when it is read: LoRAs and learned words. */
import type { ComponentClass } from '../models/registry.js';
import { type TextualInversionOption, withInversions } from './inversion-files.js';
import { type LoraOption, type LoraTarget, withLoras } from './lora-files.js';
import type { ModelPart } from './model-part.js';
import type { TextToImageModel } from './text-to-image-model.js';

export interface AdapterOptions {
  /** LoRA files to add to the model, in this order. */
  readonly loras?: readonly LoraOption[] | undefined;
  /** Files with words to teach the text encoders. */
  readonly textualInversions?: readonly TextualInversionOption[] | undefined;
  /** Path of an autoencoder to use in place of the model's own: a folder or a safetensors file. */
  readonly vae?: string | undefined;
}

/** Names LoRA files give the towers, by their folders; one tower alone is the first. */
const towerRoles = {
  text_encoder: 'text1',
  text_encoder_2: 'text2',
  text_encoder_3: 'text3',
} as const;

/** Throws what reading and fitting the files throws. */
export async function withAdapters(
  model: TextToImageModel,
  { loras = [], textualInversions = [] }: AdapterOptions,
): Promise<TextToImageModel> {
  const { towers, warnings: inversionWarnings } = await withInversions(
    model.towers,
    textualInversions,
  );
  const targets: LoraTarget[] = [
    { role: 'denoiser', part: model.denoiser },
    ...towers.map(({ part }) => ({ role: roleOf(part), part })),
  ];
  const { parts, warnings } = await withLoras(targets, loras);
  const [denoiser, ...texts] = parts;
  return {
    ...model,
    denoiser: denoiser as TextToImageModel['denoiser'],
    towers: towers.map((tower, i) => ({ ...tower, part: texts[i] as typeof tower.part })),
    warnings: [...model.warnings, ...inversionWarnings, ...warnings],
  };
}

function roleOf({ name }: ModelPart<ComponentClass>): LoraTarget['role'] {
  return Object.hasOwn(towerRoles, name) ? towerRoles[name as keyof typeof towerRoles] : 'text1';
}
