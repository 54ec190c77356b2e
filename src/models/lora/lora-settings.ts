/** @file How strongly an addition counts: alpha over rank, as tensors, safetensors metadata or adapter_config.json say. */
import { complain } from '../../core/errors.js';
import type { ConfigJson } from '../config-reader.js';
import type { LoraComponent } from './lora-keys.js';

/** Settings of one component's additions. */
export interface LoraSettings {
  readonly alpha: number | undefined;
  /** Over the square root of the rank instead of the rank (Kalajdzievski 2023). */
  readonly isRankStabilised: boolean;
  /** By layer name or its end, read as PEFT does. */
  readonly alphaPattern: ReadonlyMap<string, number>;
}

export type SettingsByComponent = ReadonlyMap<LoraComponent, LoraSettings>;

const prefixOf: Readonly<Record<string, LoraComponent>> = {
  unet: 'denoiser',
  transformer: 'denoiser',
  text_encoder: 'text1',
  text_encoder_2: 'text2',
  text_encoder_3: 'text3',
};

/** diffusers' `lora_adapter_metadata`: fields of a LoraConfig behind the component's name. Throws CONFIG. */
export function settingsOfMetadata(
  path: string,
  metadata: ReadonlyMap<string, string>,
): SettingsByComponent {
  const text = metadata.get('lora_adapter_metadata');
  if (text === undefined) return new Map();
  const json = parse(path, text);
  const fields = new Map<LoraComponent, Record<string, unknown>>();
  for (const [key, value] of Object.entries(json)) {
    const dot = key.indexOf('.');
    const component = prefixOf[key.slice(0, dot)];
    if (component === undefined) continue;
    fields.set(component, { ...fields.get(component), [key.slice(dot + 1)]: value });
  }
  return new Map([...fields].map(([component, config]) => [component, settingsOf(path, config)]));
}

/** PEFT's adapter_config.json. Throws CONFIG or MODEL_UNSUPPORTED. */
export function settingsOf(path: string, config: ConfigJson): LoraSettings {
  const refuse = (field: string): void => {
    if (!config[field] || config[field] === 'none') return;
    throw complain('MODEL_UNSUPPORTED', {
      where: path,
      expected: `${field} false or none`,
      got: JSON.stringify(config[field]),
      next: 'Merge the adapter with PEFT first.',
    });
  };
  for (const field of ['use_dora', 'lora_bias', 'bias', 'fan_in_fan_out']) refuse(field);
  const { lora_alpha: alpha, use_rslora: stabilised = false, alpha_pattern: pattern = {} } = config;
  const isNumber = alpha === undefined || alpha === null || typeof alpha === 'number';
  const isMap = typeof pattern === 'object' && pattern !== null && !Array.isArray(pattern);
  if (!isNumber || typeof stabilised !== 'boolean' || !isMap) {
    const expected = 'lora_alpha a number, use_rslora true or false, alpha_pattern an object';
    throw complain('CONFIG', { where: path, expected, got: JSON.stringify(config).slice(0, 120) });
  }
  const alphas = Object.entries(pattern as ConfigJson).map(([name, value]) => {
    if (typeof value === 'number') return [name, value] as const;
    const expected = 'numbers in alpha_pattern';
    throw complain('CONFIG', { where: path, expected, got: `${JSON.stringify(value)}` });
  });
  return {
    alpha: alpha ?? undefined,
    isRankStabilised: stabilised,
    alphaPattern: new Map(alphas),
  };
}

function parse(path: string, text: string): ConfigJson {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json))
      return json as ConfigJson;
  } catch {
    // Told below.
  }
  throw complain('CONFIG', {
    where: `${path}: lora_adapter_metadata`,
    expected: 'a JSON object',
    got: JSON.stringify(text.slice(0, 80)),
  });
}

/** Factor of an addition of rank `rank` to `layer`; `alpha` is the file's own tensor. */
export function loraFactor(
  layer: string,
  rank: number,
  alpha: number | undefined,
  settings: LoraSettings | undefined,
): number {
  const patterned = [...(settings?.alphaPattern ?? [])].find(([name]) => ends(layer, name))?.[1];
  const value = alpha ?? patterned ?? settings?.alpha ?? rank;
  return value / (settings?.isRankStabilised ? Math.sqrt(rank) : rank);
}

function ends(layer: string, name: string): boolean {
  const plain = name.replace(/^\^/, '');
  return layer === plain || layer.endsWith(`.${plain}`);
}
