/** @file LAION's aesthetic predictors on the embeddings of their CLIP (Schuhmann 2022). */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import type { FloatTensor } from '../core/tensor-data.js';
import type { Graph } from '../graph/tensor.js';
import { readImageProcessorFile } from '../hub/image-processor-file.js';
import { readWeightFile } from '../hub/weight-file.js';
import { aestheticHead, aestheticHeadConfigOf } from '../models/aesthetic-head.js';
import { clipVisionWithProjection } from '../models/clip-vision.js';
import { Scope } from '../models/registry.js';
import { unitRows } from '../models/unit-rows.js';
import type { Engine } from '../runtime/engine.js';
import { readStoredModel, weightsOf } from './component-weights.js';
import { pixelsInput } from './dual-tower.js';
import { FormSessions, floatsOf } from './form-sessions.js';
import { parseImageProcessor } from './image-processor.js';
import type { JudgeModel, MeasureOptions } from './judge-model.js';
import type { JudgeName } from './judge-table.js';

/** `clip` is the folder of the CLIP the head was trained on, `head` a safetensors file or a folder with one. */
export async function openAesthetic(
  { clip, head }: { readonly clip: string; readonly head: string },
  engine: Engine,
): Promise<JudgeModel> {
  const classes = ['CLIPModel', 'CLIPVisionModelWithProjection'] as const;
  const tower = await readStoredModel(clip, classes);
  const vision = tower.className === 'CLIPModel' ? tower.config.vision : tower.config;
  const file = head.endsWith('.safetensors') ? head : join(head, 'model.safetensors');
  const { tensors } = await readWeightFile(file);
  const config = aestheticHeadConfigOf(file, tensors);
  const own = weightsOf({ className: 'AestheticHead', config }, tensors);
  if (config.inputSize !== vision.projectionDim) {
    throw complain('MODEL_UNSUPPORTED', {
      where: file,
      expected: `a head for embeddings of ${vision.projectionDim} values, as ${clip} has`,
      got: `${config.inputSize}`,
      next: 'Give the CLIP the head was trained on, mostly openai/clip-vit-large-patch14.',
    });
  }
  const sessions = new FormSessions(engine, new Map([...tower.weights, ...own]));
  const graph = (b: number): Graph => {
    const scope = new Scope();
    const { imageEmbeds } = clipVisionWithProjection(scope, vision, pixelsInput(b, vision));
    return new Map([['marks', aestheticHead(scope, config, unitRows(imageEmbeds))]]);
  };
  const measure = async (pixels: FloatTensor, { signal }: MeasureOptions) => {
    const b = pixels.shape[0]!;
    const feeds = new Map([['pixels', pixels]]);
    const outputs = await sessions.run({ form: `${b}`, build: () => graph(b), feeds, signal });
    const rows = Array.from(floatsOf(outputs, 'marks'), (mark) => [mark]);
    return new Map<JudgeName, number[][]>([['aesthetic', rows]]);
  };
  return {
    processor: parseImageProcessor((await readImageProcessorFile(clip)) ?? {}),
    imageSize: vision.imageSize,
    files: [...tower.files, file],
    measure,
    notes: () => [],
    dispose: () => sessions.dispose(),
  };
}
