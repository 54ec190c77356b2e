/** @file What a reader of figures must know of the pictures behind them: left out, changed, of other sizes, too few. */
import type { FolderFeatures } from './folder-features.js';
import type { MetricName } from './metric-names.js';
import { metricTable } from './metric-table.js';

/** Sentences of one kind that are said before the rest is only counted. */
const mostAlike = 20;

/** Pictures left out or changed, files that are none, sizes, and one folder given twice. */
export function folderWarnings(
  real: FolderFeatures,
  fake: FolderFeatures,
  pictureSize: number,
): string[] {
  const isSame = real.folder.realPath === fake.folder.realPath;
  return [
    ...(isSame
      ? [`${fake.folder.path}: both sets are this folder; figures of it say nothing.`]
      : []),
    ...[real, fake].flatMap((set) => [
      ...counted(
        set,
        set.unreadable.map((text) => `left out: ${text}`),
      ),
      ...counted(set, set.notes),
      ...otherFiles(set),
    ]),
    ...sizeWarnings(real, fake, pictureSize),
  ];
}

function counted({ folder }: FolderFeatures, sentences: readonly string[]): string[] {
  if (sentences.length <= mostAlike) return [...sentences];
  const rest = sentences.length - mostAlike;
  return [...sentences.slice(0, mostAlike), `${folder.path}: and ${rest} more like these.`];
}

function otherFiles({ folder }: FolderFeatures): string[] {
  const { others, path } = folder;
  if (others.length === 0) return [];
  const shown = others.slice(0, 3).join(', ');
  const more = others.length > 3 ? ', …' : '';
  return [
    `${path}: files that are not pictures are left out, ${others.length} in all: ${shown}${more}`,
  ];
}

function sizeWarnings(real: FolderFeatures, fake: FolderFeatures, side: number): string[] {
  const resized = `all are resized to ${side}x${side}`;
  const mixed = [real, fake]
    .filter(({ sizes }) => sizes.size > 1)
    .map(({ folder, sizes }) => {
      const usual = [...sizes].sort((a, b) => b[1] - a[1])[0]!;
      return `${folder.path}: pictures of ${sizes.size} sizes, most ${usual[0]}; ${resized}.`;
    });
  const [a, b] = [real, fake].map(({ sizes }) => [...sizes.keys()].join());
  if (mixed.length > 0 || a === b || a === '' || b === '') return mixed;
  return [`real pictures are ${a}, made ones ${b}; ${resized}.`];
}

/** Figures of fewer pictures than they are known to need. */
export function sampleWarnings(
  metrics: readonly MetricName[],
  features: number,
  real: FolderFeatures,
  fake: FolderFeatures,
): string[] {
  return metrics.flatMap((metric) => {
    const { sensible, otherwise, keeps } = metricTable[metric];
    const sets = keeps.real ? [real, fake] : [fake];
    const fewest = Math.min(...sets.map(({ names }) => names.length));
    const most = sensible(features);
    if (fewest >= most) return [];
    return [`${metric}: ${fewest} pictures where ${most} are usual: ${otherwise}.`];
  });
}
