/** @file The public exports of the package. */
export {
  type Complaint,
  type ErrorCode,
  errorTable,
  MaliangError,
} from './core/errors.js';
export { randn, TorchGenerator } from './core/random.js';
export {
  type Dtype,
  type FloatTensor,
  floatTensor,
  type TensorData,
  toFloat32,
} from './core/tensor-data.js';
export { ClipTokenizer, type EncodedPrompt } from './formats/clip-tokenizer.js';
export { decodeImage, type RasterImage, readPicture } from './formats/image.js';
export { type PictureMetadata, readPictureMetadata } from './formats/picture-metadata.js';
export {
  encodePng,
  type PngImage,
  type PngText,
  type PngTextEntry,
  readPngText,
} from './formats/png.js';
export {
  parseSafetensorsHeader,
  readTensor,
  type SafetensorsEntry,
  type SafetensorsHeader,
  streamSafetensors,
  writeSafetensors,
} from './formats/safetensors.js';
export * as graph from './graph/build.js';
export { type EmitOptions, type EmittedModel, emitOnnx } from './graph/emit.js';
export { grad } from './graph/grad.js';
export { interpret } from './graph/interpret.js';
export type { GraphDtype } from './graph/ops.js';
export { printGraph } from './graph/print.js';
export { type Graph, input, parameter, type Tensor } from './graph/tensor.js';
export { verifyGraph } from './graph/verify.js';
export type { DownloadProgress } from './hub/download-meter.js';
export type { DownloadPlan } from './hub/fetch-model.js';
export { isSingleFile } from './hub/model-id.js';
export {
  pullModel,
  type ResolvedModel,
  type ResolveOptions,
  resolveModel,
} from './hub/resolve-model.js';
export {
  type Caption,
  Captioner,
  type CaptionOptions,
  type OpenCaptionerOptions,
} from './metrics/captioner.js';
export { clipScore } from './metrics/clip-score.js';
export {
  type EvaluateOptions,
  type Evaluation,
  type EvaluationProgress,
  evaluateFolders,
  type Figure,
} from './metrics/evaluate-folders.js';
export type { FeatureRows } from './metrics/feature-rows.js';
export { fid } from './metrics/frechet-distance.js';
export { inceptionScore } from './metrics/inception-score.js';
export { softmaxOverTexts } from './metrics/judge-model.js';
export { type JudgeName, judgeNames } from './metrics/judge-table.js';
export {
  type JudgedPicture,
  type JudgeReport,
  type JudgeScores,
  type JudgeSources,
  Judges,
  type OpenJudgesOptions,
  type ScoreOptions,
} from './metrics/judges.js';
export { cmmd, kid } from './metrics/maximum-mean-discrepancy.js';
export type { MetricName } from './metrics/metric-names.js';
export { precisionRecall } from './metrics/precision-recall.js';
export {
  type FileRanking,
  type RankedFile,
  type RankFilesOptions,
  rankFiles,
} from './metrics/rank-files.js';
export { type JudgedValue, type RankedCandidate, rankCandidates } from './metrics/ranking.js';
export {
  type Component,
  type ComponentClass,
  componentParameters,
  components,
  parseComponent,
  Scope,
} from './models/registry.js';
export type { PredictionType } from './models/single-file/prediction.js';
export {
  type BestOfEvent,
  type BestOfOptions,
  type BestOfReport,
  bestOf,
  type EarlyRejection,
  type ReportedCandidate,
} from './pipelines/best-of.js';
export { candidateSheet, type SheetEntry } from './pipelines/candidate-sheet.js';
export type { Pixels } from './pipelines/decode-latents.js';
export type { EncodeMode } from './pipelines/encode-picture.js';
export type { FastOptions, FastReport } from './pipelines/fast-plan.js';
export type { FitMode } from './pipelines/fit-picture.js';
export type { GenerateOptions } from './pipelines/generation-request.js';
export { infotext } from './pipelines/infotext.js';
export type { PictureInput } from './pipelines/input-picture.js';
export type { TextualInversionOption } from './pipelines/inversion-files.js';
export type { Panel, PanelScores } from './pipelines/judging.js';
export type { LoraOption } from './pipelines/lora-files.js';
export type { AdapterOptions } from './pipelines/model-adapters.js';
export type { OpenModelOptions } from './pipelines/model-source.js';
export { type MetadataOptions, picturePng } from './pipelines/picture-png.js';
export type { PictureSize } from './pipelines/picture-size.js';
export type { Emphasis, PromptSyntax } from './pipelines/prompt-chunks.js';
export type { AltText, AltTextOptions } from './pipelines/provenance/alt-text.js';
export { describePicture } from './pipelines/provenance/alt-text.js';
export {
  type EncodedPicture,
  type EncodePictureOptions,
  encodePicture,
  type PictureFormat,
} from './pipelines/provenance/encode-file.js';
export type { MetadataLevel } from './pipelines/provenance/marks.js';
export { type Provenance, readProvenance } from './pipelines/provenance/read-provenance.js';
export { type Recipe, readRecipe, recipeJson } from './pipelines/provenance/recipe.js';
export { differencesOf, generateOptionsOf, modelOptionsOf } from './pipelines/provenance/replay.js';
export type { Precision, Tiling } from './pipelines/run-mode.js';
export { listSamplers, type SamplerListing } from './pipelines/samplers.js';
export {
  type Candidates,
  type ChoiceOptions,
  type FromPretrainedOptions,
  type GeneratedImage,
  type GenerationEvent,
  type GenerationResult,
  type LoadProgress,
  TextToImage,
} from './pipelines/text-to-image.js';
export type { Device } from './runtime/devices.js';
export {
  Engine,
  type EngineOptions,
  type LoadOptions,
  type RemoteSession,
  type RunOptions,
} from './runtime/engine.js';
export type { Values } from './runtime/session.js';
export type { TensorInFile } from './runtime/weights.js';
export type {
  Denoise,
  SampleOptions,
  Sampler,
  StepEvent,
  Trajectory,
} from './schedulers/sampler.js';
export { loadSampler, supportedSamplers } from './schedulers/table.js';
