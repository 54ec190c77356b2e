/** @file What a configuration file beside a checkpoint says: Stability's YAML, or component configurations as JSON. */
import { complain } from '../../core/errors.js';
import type { ConfigJson } from '../config-reader.js';
import type { PredictionType } from './prediction.js';

/** What is taken from such a file; fields it does not have are left to the checkpoint's shapes. */
export interface Sidecar {
  /** The file's path, for messages. */
  readonly file: string;
  readonly prediction?: PredictionType | undefined;
  /** Fields that go over the inferred ones, by component folder; `scheduler` is one of them. */
  readonly configs: Readonly<Record<string, ConfigJson>>;
}

const components = [
  'unet',
  'transformer',
  'vae',
  'text_encoder',
  'text_encoder_2',
  'text_encoder_3',
  'scheduler',
] as const;

/**
 * A JSON file with configurations by component folder, and `prediction_type`. Other fields belong to
 * other programs, which also put JSON beside checkpoints. Throws CONFIG.
 */
export function sidecarOfJson(file: string, json: ConfigJson): Sidecar {
  const configs: Record<string, ConfigJson> = {};
  for (const name of components) {
    const value = Object.hasOwn(json, name) ? json[name] : undefined;
    if (value === undefined) continue;
    if (isObject(value)) configs[name] = value;
    else throw wrong(file, `${name} with an object`, value);
  }
  const type = Object.hasOwn(json, 'prediction_type') ? json.prediction_type : undefined;
  return { file, prediction: type === undefined ? undefined : predictionOf(file, type), configs };
}

/** The `model` part of a YAML file of latent-diffusion or generative-models. Throws CONFIG. */
export function sidecarOfYaml(file: string, yaml: ConfigJson): Sidecar {
  const params = at(yaml, 'model', 'params');
  if (params === undefined) return { file, configs: {} };
  const unet = at(params, 'unet_config', 'params') ?? at(params, 'network_config', 'params') ?? {};
  const widths = blockWidths(unet);
  return {
    file,
    prediction: yamlPrediction(params),
    configs: {
      unet: present({ attention_head_dim: headsOf(unet, widths) }),
      vae: present({ scaling_factor: params.scale_factor }),
      scheduler: present({
        beta_start: params.linear_start,
        beta_end: params.linear_end,
        num_train_timesteps: params.timesteps,
      }),
    },
  };
}

function yamlPrediction(params: ConfigJson): PredictionType | undefined {
  const scaling = at(params, 'denoiser_config', 'params', 'scaling_config')?.target;
  const target = typeof scaling === 'string' ? scaling : '';
  if (params.parameterization === 'v' || /\.VScaling$/.test(target)) return 'v_prediction';
  if (params.parameterization === 'eps' || /\.EpsScaling$/.test(target)) return 'epsilon';
  return params.parameterization === 'x0' ? 'sample' : yamlDefault(params);
}

/** latent-diffusion's own default, for files that have its noise schedule. */
function yamlDefault(params: ConfigJson): PredictionType | undefined {
  return params.linear_start === undefined ? undefined : 'epsilon';
}

function blockWidths(unet: ConfigJson): number[] {
  const { model_channels: width, channel_mult: factors } = unet;
  if (typeof width !== 'number' || !Array.isArray(factors)) return [];
  return factors.map((factor) => width * Number(factor));
}

/** Heads per block: one number, or the block's width over the width of a head. */
function headsOf(unet: ConfigJson, widths: readonly number[]): unknown {
  const { num_heads: heads, num_head_channels: width } = unet;
  if (typeof heads === 'number' && heads > 0) return heads;
  if (typeof width !== 'number' || width <= 0) return undefined;
  return widths.map((channels) => channels / width);
}

function present(fields: ConfigJson): ConfigJson {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function at(json: ConfigJson, ...path: readonly string[]): ConfigJson | undefined {
  let value: unknown = json;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return isObject(value) ? value : undefined;
}

function isObject(value: unknown): value is ConfigJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function predictionOf(file: string, value: unknown): PredictionType {
  if (value === 'epsilon' || value === 'v_prediction' || value === 'sample') return value;
  throw wrong(file, 'prediction_type epsilon, v_prediction or sample', value);
}

function wrong(where: string, expected: string, got: unknown): Error {
  return complain('CONFIG', {
    where,
    expected,
    got: JSON.stringify(got)?.slice(0, 80) ?? 'nothing',
  });
}
