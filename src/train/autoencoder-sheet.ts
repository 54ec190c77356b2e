/** @file Sample sheets of an autoencoder run: pictures it has not seen above their restorations. */
import type { TensorData } from '../core/tensor-data.js';
import { readPictogramIndex } from '../data/pictogram-index.js';
import { PictogramDataset } from '../data/pictograms.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import { autoencoderTinyDecode, autoencoderTinyEncode } from '../models/autoencoder-tiny.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import type { AutoencoderTraining } from './autoencoder.js';
import { encodeSheet } from './sheet.js';
import type { TrainingRun } from './training-run.js';

const count = 8;
/** Scenes need a choice of concepts. */
const fewestForScenes = 8;

/** Uses the averaged weights. Throws DATA, RUNTIME, DISK_FULL or FILE_WRITE. */
export async function writeRestorations(
  training: AutoencoderTraining,
  run: TrainingRun,
  path: string,
): Promise<void> {
  using data = openUnseen(training.data);
  const { size } = data;
  const pixels = input('pixels', [count, 3, size, size]);
  const scope = new Scope();
  const latents = autoencoderTinyEncode(scope, training.model, pixels);
  const restored = autoencoderTinyDecode(scope, training.model, latents);
  const model = emitOnnx(new Map([['restored', restored]]));
  await using session = await LocalSession.create(model, { threads: training.run.threads });
  const samples = Array.from({ length: count }, (_, i) => data.sampleAt(i, 1).pixels);
  const values = new Float32Array(count * 3 * size * size);
  samples.forEach((sample, i) => {
    values.set(sample, i * sample.length);
  });
  const feed: TensorData = { dtype: 'f32', shape: pixels.shape, data: values };
  const results = await session.run(new Map([...run.averages(), ['pixels', feed]]));
  const output = results.get('restored')!.data as Float32Array;
  const each = 3 * size * size;
  const copies = samples.map((_, i) => output.subarray(i * each, (i + 1) * each));
  await writeFileAtomically(path, encodeSheet([...samples, ...copies], size, count));
}

/** The held-out pictures; all of them where the set is too small to have any. */
function openUnseen(folder: string): PictogramDataset {
  const heldOut = readPictogramIndex(folder).concepts.filter(({ isHeldOut }) => isHeldOut);
  const objects = heldOut.filter(({ isSceneObject }) => isSceneObject);
  return PictogramDataset.open(folder, {
    split: heldOut.length > 0 ? 'holdout' : 'all',
    sceneShare: objects.length >= fewestForScenes ? 0.25 : 0,
  });
}
