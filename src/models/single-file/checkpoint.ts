/** @file Whole models in one file with original key names: the family by keys and shapes, never by the file's name. */
import type { ConfigJson } from '../config-reader.js';
import {
  below,
  type ComponentSketch,
  type LocatedComponent,
  locateComponent,
  unusedWarning,
} from './component.js';
import { foreignKind, loneComponent } from './foreign.js';
import type { StoredShapes } from './origin.js';
import {
  type CheckpointFacts,
  type CheckpointOverrides,
  type CheckpointTokenizer,
  type FamilyName,
  type Plan,
  unetPrefix,
  unsupported,
} from './plan.js';
import { planSd3 } from './plan-sd3.js';
import { planUnet } from './plan-unet.js';
import type { Prediction } from './prediction.js';
import { publishedSchedules } from './schedules.js';
import { inferSd3 } from './sd3-layout.js';
import { inferUnet } from './unet-layout.js';

export interface Checkpoint {
  readonly family: FamilyName;
  /** diffusers' pipeline class. */
  readonly className: string;
  /** Pipeline options, as model_index.json holds them. */
  readonly options: ConfigJson;
  readonly components: readonly LocatedComponent[];
  readonly tokenizers: readonly CheckpointTokenizer[];
  readonly scheduler: ConfigJson;
  readonly warnings: readonly string[];
}

/**
 * Recognises the model and finds every parameter of its components. Throws MODEL_UNSUPPORTED for
 * architectures Maliang does not run, WEIGHTS for missing, misshapen or unknown tensors, CONFIG.
 */
export function readCheckpoint(
  facts: CheckpointFacts,
  overrides: CheckpointOverrides = {},
): Checkpoint {
  const foreign = foreignKind(facts.tensors);
  if (foreign !== undefined) throw unsupported(facts.path, foreign);
  const core = below(facts.tensors, unetPrefix);
  const unet = inferUnet(core);
  const sd3 = inferSd3(core);
  const plan = unet
    ? planUnet(facts, overrides, unet)
    : sd3
      ? planSd3(facts, overrides, sd3)
      : undefined;
  if (!plan) throw unsupported(facts.path, loneComponent(facts.tensors) ?? 'other tensors');
  return assemble(facts, overrides, plan);
}

function assemble(facts: CheckpointFacts, overrides: CheckpointOverrides, plan: Plan): Checkpoint {
  const warnings: string[] = [];
  const components = plan.sketches.map((sketch) => {
    const config = configOf(sketch, facts, overrides);
    const located = locateComponent({ ...sketch, config }, facts.tensors);
    warnings.push(...located.warnings);
    return located;
  });
  const { prediction } = plan;
  if (prediction?.isGuess) warnings.push(guessWarning(facts.path, prediction));
  warnings.push(...strangers(facts.tensors, plan.sketches));
  const scheduler = schedulerOf(plan.scheduler, facts, overrides, prediction);
  const { family, className, options, tokenizers } = plan;
  return { family, className, options, components, tokenizers, scheduler, warnings };
}

/** Given configurations count alone; those of a sidecar go over what the shapes say. */
function configOf(
  { name, config }: ComponentSketch,
  { sidecar }: CheckpointFacts,
  { configs }: CheckpointOverrides,
): ConfigJson {
  return configs?.[name] ?? { ...config, ...sidecar?.configs[name] };
}

function guessWarning(path: string, { type, rule }: Prediction): string {
  return `${path}: the file does not say what it predicts; ${type} is taken by ${rule}. Give predictionType (--prediction) if pictures are noise.`;
}

function schedulerOf(
  published: ConfigJson,
  { sidecar }: CheckpointFacts,
  { configs, predictionType }: CheckpointOverrides,
  prediction: Prediction | undefined,
): ConfigJson {
  const given = configs?.scheduler;
  if (given) return predictionType ? { ...given, prediction_type: predictionType } : given;
  if (!prediction) return { ...published, ...sidecar?.configs.scheduler };
  const zeroSnr = { rescale_betas_zero_snr: true, timestep_spacing: 'trailing' };
  const isNoise = prediction.type === 'epsilon';
  const base =
    published._class_name === 'DDIMScheduler' && isNoise ? publishedSchedules.sd2Base : published;
  const canRescale = prediction.isZeroSnr && base._class_name !== 'PNDMScheduler';
  return {
    ...base,
    prediction_type: prediction.type,
    ...(canRescale ? zeroSnr : {}),
    ...sidecar?.configs.scheduler,
  };
}

/** Tensors outside all components: known companions by name, the rest as they come. */
const companions: readonly (readonly [RegExp, string])[] = [
  [/^model_ema\./, 'a moving average of the UNet, as diffusers takes the plain weights'],
  [
    /^(?:(?:sqrt_|log_)?(?:one_minus_)?alphas_cumprod(?:_prev)?|betas|sqrt_recip(?:m1)?_alphas_cumprod|sqrt_recipm1_alphas_cumprod|posterior_\w+|logvar|lvlb_weights|scale_factor|denoiser\.sigmas)$/,
    'the noise schedule, which is computed',
  ],
  [/^text_encoders\.t5xxl\./, 'the T5 text encoder'],
  [/^(?:v_pred|ztsnr|global_step|epoch)$/, 'a mark, not a weight'],
];

function strangers(file: StoredShapes, sketches: readonly ComponentSketch[]): string[] {
  let rest = [...file.keys()].filter(
    (key) => !sketches.some(({ prefix }) => key.startsWith(prefix)),
  );
  const warnings: string[] = [];
  for (const [pattern, reason] of companions) {
    const keys = rest.filter((key) => pattern.test(key));
    rest = rest.filter((key) => !pattern.test(key));
    if (keys.length > 0) warnings.push(unusedWarning('', keys, reason));
  }
  if (rest.length > 0)
    warnings.push(unusedWarning('', rest, 'tensors that belong to no component'));
  return warnings;
}
