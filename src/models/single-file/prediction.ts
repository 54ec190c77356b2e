/** @file What a checkpoint's UNet was trained to predict: files rarely say, so every rule that decides is named. */

export type PredictionType = 'epsilon' | 'v_prediction' | 'sample';

/** Everything that may tell. */
export interface PredictionFacts {
  /** What the user says. */
  readonly override?: PredictionType | undefined;
  /** What a file beside the checkpoint says, and its name. */
  readonly sidecar?: { readonly type: PredictionType; readonly file: string } | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  /** Names of the file's tensors. */
  readonly has: (key: string) => boolean;
  /** Value of the `global_step` tensor, where there is one. */
  readonly globalStep: number | undefined;
  /** SD 2, whose two published forms differ in nothing but this. */
  readonly isAmbiguous: boolean;
  /** 9-channel models of SD 2 were all trained on noise. */
  readonly isInpainting: boolean;
}

export interface Prediction {
  readonly type: PredictionType;
  /** The rule that decided. */
  readonly rule: string;
  /** Whether the rule is a guess the user should know of. */
  readonly isGuess: boolean;
  /** Trained down to pure noise, as the tensor `ztsnr` says. */
  readonly isZeroSnr: boolean;
}

/** Last training step of stable-diffusion-2-base, which predicts noise. */
const baseStep = 875_000;

export function decidePrediction(facts: PredictionFacts): Prediction {
  const isZeroSnr = facts.has('ztsnr');
  const decided = (type: PredictionType, rule: string, isGuess = false): Prediction => ({
    type,
    rule,
    isGuess,
    isZeroSnr,
  });
  const { override, sidecar, globalStep, isAmbiguous, isInpainting } = facts;
  if (override !== undefined) return decided(override, 'the predictionType given');
  if (sidecar) return decided(sidecar.type, sidecar.file);
  if (facts.has('v_pred')) return decided('v_prediction', 'the tensor v_pred in the file');
  const stated = fromMetadata(facts.metadata);
  if (stated) return decided(stated[0], `${stated[1]} in the file's metadata`);
  if (!isAmbiguous) return decided('epsilon', 'the model family');
  if (isInpainting) return decided('epsilon', 'the 9 input channels', true);
  if (globalStep === baseStep) return decided('epsilon', `global_step ${baseStep}`, true);
  return decided('v_prediction', 'the default for SD 2, as in diffusers', true);
}

/** Stability's modelspec, then the keys of kohya's trainer. */
function fromMetadata(
  metadata: ReadonlyMap<string, string>,
): readonly [PredictionType, string] | undefined {
  const named: Readonly<Record<string, PredictionType>> = {
    epsilon: 'epsilon',
    eps: 'epsilon',
    v: 'v_prediction',
    v_prediction: 'v_prediction',
  };
  const stated = metadata.get('modelspec.prediction_type')?.toLowerCase();
  if (stated !== undefined && Object.hasOwn(named, stated)) {
    return [named[stated]!, 'modelspec.prediction_type'];
  }
  const architecture = metadata.get('modelspec.architecture') ?? '';
  if (/^stable-diffusion-v2-\d+-v(?:\/|$)/.test(architecture)) {
    return ['v_prediction', 'modelspec.architecture'];
  }
  if (/^stable-diffusion-v2-512(?:\/|$)/.test(architecture)) {
    return ['epsilon', 'modelspec.architecture'];
  }
  const kohya = metadata.get('ss_v_parameterization')?.toLowerCase();
  if (kohya === 'true') return ['v_prediction', 'ss_v_parameterization'];
  return kohya === 'false' ? ['epsilon', 'ss_v_parameterization'] : undefined;
}
