/** @file What a draft run learns as a folder: a text tower in `text_encoder` and the draft beside it in `draft`. */
import { join } from 'node:path';
import type { TensorData } from '../core/tensor-data.js';
import type { JsonObject } from '../hub/local-folder.js';
import { readTokenizerFolder } from '../hub/tokenizer-folder.js';
import { parseClipTextConfig } from '../models/clip-config.js';
import { parseLatentDraftConfig } from '../models/latent-draft.js';
import { requireTokenizerFit } from '../models/tokenizer-fit.js';
import { loadComponent, saveComponent } from './component-weights.js';
import type { DraftTraining } from './draft.js';
import type { LatentPool, PoolEncoder } from './latent-pool.js';
import { sheetEntries, writeLatentSheet } from './latent-sheet.js';
import {
  createTextSession,
  draftPrefix,
  encodeTexts,
  isTowerWeight,
  type TextTower,
} from './text-tower.js';

const towerFolder = 'text_encoder';
const draftFolder = 'draft';

type Weights = ReadonlyMap<string, TensorData>;

/** Parameters of a draft run by component. */
export function splitDraft(weights: Weights): { tower: Weights; draft: Weights } {
  const prefix = `${draftPrefix}.`;
  return {
    tower: new Map([...weights].filter(([name]) => isTowerWeight(name))),
    draft: new Map(
      [...weights].flatMap(([name, value]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
      ),
    ),
  };
}

/** Writes both components. Throws DISK_FULL or FILE_WRITE. */
export async function saveDraftModel(
  folder: string,
  configs: { readonly tower: JsonObject; readonly draft: JsonObject },
  weights: Weights,
): Promise<void> {
  const { tower, draft } = splitDraft(weights);
  await saveComponent(
    join(folder, towerFolder),
    { library: 'transformers', className: 'CLIPTextModelWithProjection' },
    { model_type: 'clip_text_model', ...configs.tower },
    tower,
  );
  await saveComponent(
    join(folder, draftFolder),
    { library: 'diffusers', className: 'LatentDraft' },
    configs.draft,
    draft,
  );
}

/** Reads both components and the tokenizer. Throws what `loadComponent` and the tokenizer throw. */
export async function loadDraftModel(folder: string, tokenizerFolder: string): Promise<TextTower> {
  const at = join(folder, towerFolder);
  const tower = await loadComponent(at, 'CLIPTextModelWithProjection');
  const draft = await loadComponent(join(folder, draftFolder), 'LatentDraft');
  const config = parseClipTextConfig(tower.config);
  const tokenizer = await readTokenizerFolder(tokenizerFolder);
  requireTokenizerFit(tokenizer, config, at);
  return {
    config,
    weights: tower.weights,
    tokenizer,
    draft: { config: parseLatentDraftConfig(draft.config), weights: draft.weights },
  };
}

export interface DraftSheetParts {
  readonly training: DraftTraining;
  readonly pool: LatentPool;
  readonly autoencoder: PoolEncoder;
  readonly text: TextTower;
}

/** Pictures of the pool above the drafts of their captions. Throws RUNTIME, DISK_FULL or FILE_WRITE. */
export async function writeDraftSheet(
  { training, pool, autoencoder, text }: DraftSheetParts,
  weights: Weights,
  path: string,
): Promise<void> {
  const { tower, draft } = splitDraft(weights);
  const { threads } = training.run;
  const learnt = { ...text, weights: tower, draft: { config: training.model, weights: draft } };
  const captions = sheetEntries(pool).map((entry) => pool.captions[entry]!);
  await using session = await createTextSession(learnt, captions.length, threads);
  const results = await encodeTexts(session, learnt, captions);
  const latents = results.get('draft')!.data as Float32Array;
  const { pictureSize } = training;
  await writeLatentSheet(path, { pool, autoencoder, latents, pictureSize, threads });
}
