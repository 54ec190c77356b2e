/** @file Compares a folder of made pictures with a folder of real ones by the metrics asked for. */
import { availableParallelism } from 'node:os';
import { complain } from '../core/errors.js';
import { listPictures, type PictureFolder } from '../data/picture-folder.js';
import { Engine } from '../runtime/engine.js';
import { type EmbeddedTexts, embedTexts } from './clip-texts.js';
import { EngineProducts } from './engine-products.js';
import { type EvaluateOptions, metricsOf, requireOptions } from './evaluation-request.js';
import { folderWarnings, sampleWarnings } from './evaluation-warnings.js';
import { FeatureExtractor } from './feature-extractor.js';
import { type FeatureNetwork, openFeatureNetwork } from './feature-network.js';
import { collectFeatures, type FolderFeatures, type Wanted } from './folder-features.js';
import type { MetricName } from './metric-names.js';
import { type Kept, type Measurement, type MetricValue, metricTable } from './metric-table.js';
import { promptsOf } from './picture-prompts.js';
import type { ResizeRule } from './picture-resize.js';

export type { EvaluateOptions, EvaluationProgress } from './evaluation-request.js';

/** A figure with what it rests on. */
export interface Figure extends MetricValue {
  /** Pictures; without real ones where a metric does not look at them. */
  readonly samples: { readonly real?: number; readonly fake: number };
  readonly resize: ResizeRule;
  /** SHA-256 of the weights of the feature network. */
  readonly features: string;
}

export interface FolderSummary {
  readonly path: string;
  /** Pictures that were read. */
  readonly pictures: number;
  readonly unreadable: number;
  /** Pictures of each size, such as `512x512`. */
  readonly sizes: Readonly<Record<string, number>>;
}

export interface Evaluation {
  readonly figures: readonly Figure[];
  readonly features: Pick<FeatureNetwork, 'kind' | 'source' | 'sha256' | 'pictureSize' | 'size'>;
  readonly resize: ResizeRule;
  readonly seed: number;
  readonly real: FolderSummary;
  readonly fake: FolderSummary;
  readonly warnings: readonly string[];
}

/**
 * Reads both folders once and measures. A picture that cannot be read is left out and named in
 * `warnings`. Throws DATA when too few are left, FILE_READ, USAGE, CANCELLED, what
 * `openFeatureNetwork` throws and what `Engine` throws.
 */
export async function evaluateFolders(options: EvaluateOptions): Promise<Evaluation> {
  const { threads, signal, seed = 0, prompts } = options;
  requireOptions(options);
  const folders = {
    real: await listPictures(options.real),
    fake: await listPictures(options.fake),
  };
  const network = await openFeatureNetwork(options.features);
  const metrics = metricsOf(network.kind, options);
  const isTextual = metrics.includes('clip');
  const texts = isTextual ? promptsOf(prompts, folders.fake) : undefined;
  const textSide = isTextual ? await network.readTexts() : undefined;
  const resize = options.resize ?? network.resize;
  await using engine = Engine.start({ threads });
  const { real, fake } = await readBoth(engine, network, folders, { ...options, metrics, resize });
  for (const metric of metrics) requireEnough(metric, real, fake);
  const embedded =
    texts &&
    textSide &&
    (await embedTexts(engine, textSide, { texts: fake.names.map(texts.of), signal }));
  const values = await measureAll(engine, network, metrics, {
    ...{ real, fake, texts: embedded?.rows, seed, signal },
    threads: threads ?? availableParallelism(),
    ...{ bootstrap: options.bootstrap, kid: options.kid, onProgress: options.onProgress },
  });
  return {
    figures: values.map(({ metric, ...value }) => ({
      ...value,
      samples: {
        ...(metricTable[metric].keeps.real ? { real: real.names.length } : {}),
        fake: fake.names.length,
      },
      resize,
      features: network.sha256,
    })),
    features: describe(network),
    ...{ resize, seed, real: summary(real), fake: summary(fake) },
    warnings: [
      ...network.warnings,
      ...folderWarnings(real, fake, network.pictureSize),
      ...(texts?.warnings ?? []),
      ...(embedded ? cutWarnings(fake.names, embedded) : []),
      ...sampleWarnings(metrics, network.size, real, fake),
    ],
  };
}

type Both<T> = { readonly real: T; readonly fake: T };

async function readBoth(
  engine: Engine,
  network: FeatureNetwork,
  folders: Both<PictureFolder>,
  options: EvaluateOptions & {
    readonly metrics: readonly MetricName[];
    readonly resize: ResizeRule;
  },
): Promise<Both<FolderFeatures>> {
  const { signal, onProgress, resize } = options;
  const most = Math.max(folders.real.files.length, folders.fake.files.length);
  const batch = Math.min(options.batch ?? 16, most);
  await using extractor = await FeatureExtractor.load(engine, network, { resize, batch, signal });
  const read = (stage: 'real' | 'fake'): Promise<FolderFeatures> => {
    const total = folders[stage].files.length;
    onProgress?.({ stage, done: 0, total });
    return collectFeatures(extractor, folders[stage], wantedOf(stage, options), {
      signal,
      onProgress: (done) => onProgress?.({ stage, done, total }),
    });
  };
  const real = await read('real');
  return { real, fake: await read('fake') };
}

/** Groups of pictures that resamples of FID draw from. */
const momentGroups = 16;

function wantedOf(
  stage: 'real' | 'fake',
  { metrics = [], bootstrap = 100, seed }: EvaluateOptions,
): Wanted {
  const keeps = (kept: Kept): boolean =>
    metrics.some((name) => metricTable[name].keeps[stage] === kept);
  return {
    momentGroups: keeps('moments') ? (bootstrap < 2 ? 1 : momentGroups) : undefined,
    hasRows: keeps('rows'),
    inceptionScore: keeps('logits') ? { bootstrap, seed } : undefined,
  };
}

function requireEnough(metric: MetricName, real: FolderFeatures, fake: FolderFeatures): void {
  const { fewest, keeps } = metricTable[metric];
  for (const set of keeps.real ? [real, fake] : [fake]) {
    if (set.names.length >= fewest) continue;
    const { unreadable, names, folder } = set;
    const rest = unreadable.length > 0 ? `, ${unreadable.length} cannot be read` : '';
    throw complain('DATA', {
      where: folder.path,
      expected: `at least ${fewest} pictures for ${metric}`,
      got: `${names.length}${rest}`,
      next: unreadable[0] ?? 'Give more pictures, or leave the metric out.',
    });
  }
}

/** Above so many multiplications of all pairs the engine is faster than this thread, sending included. */
const fewMultiplications = 2 ** 22;

async function measureAll(
  engine: Engine,
  network: FeatureNetwork,
  metrics: readonly MetricName[],
  {
    onProgress,
    ...measurement
  }: Omit<Measurement, 'onProgress' | 'products'> & Pick<EvaluateOptions, 'onProgress'>,
): Promise<(MetricValue & { readonly metric: MetricName })[]> {
  const { real, fake, signal } = measurement;
  const { size } = network;
  const count = Math.max(real.rows?.count ?? 0, fake.rows?.count ?? 0);
  await using multiplier =
    count ** 2 * size > fewMultiplications
      ? await EngineProducts.load(engine, { count, size, signal })
      : undefined;
  const all: (MetricValue & { readonly metric: MetricName })[] = [];
  for (const metric of metrics) {
    const report = (share: number): void => onProgress?.({ stage: metric, done: share, total: 1 });
    report(0);
    const values = await metricTable[metric].measure({
      ...measurement,
      products: multiplier?.products,
      onProgress: report,
    });
    all.push(...values.map((value) => ({ metric, ...value })));
  }
  return all;
}

function cutWarnings(names: readonly string[], { cut }: EmbeddedTexts): string[] {
  return [...cut].map(([index, text]) => {
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    return `${names[index]}: the end of its text is left out, the tower reads no more: ${JSON.stringify(shown)}`;
  });
}

function summary({ folder, names, unreadable, sizes }: FolderFeatures): FolderSummary {
  return {
    path: folder.path,
    pictures: names.length,
    unreadable: unreadable.length,
    sizes: Object.fromEntries(sizes),
  };
}

function describe(network: FeatureNetwork): Evaluation['features'] {
  const { kind, source, sha256, pictureSize, size } = network;
  return { kind, source, sha256, pictureSize, size };
}
