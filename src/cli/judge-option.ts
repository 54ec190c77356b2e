/** @file `--judge clip,blip=FOLDER`: which judges, and where their models lie. */
import { type JudgeName, judgeNames } from '../metrics/judge-table.js';

/** Judges by what is written; blip is both of its values. */
const written: Readonly<Record<string, readonly JudgeName[]>> = {
  ...Object.fromEntries(judgeNames.map((name) => [name, [name]])),
  blip: ['blip-itc', 'blip-itm'],
};

export const writtenJudges: readonly string[] = [
  ...judgeNames.filter((name) => !name.startsWith('blip')),
  'blip',
  'blip-itc',
  'blip-itm',
];

export interface JudgeValue {
  readonly names: readonly JudgeName[];
  /** Folder or id of the model by judge, as written. */
  readonly sources: ReadonlyMap<JudgeName, string>;
}

/** Undefined for what is no list of judges. */
export function readJudges(text: string): JudgeValue | undefined {
  const names = new Set<JudgeName>();
  const sources = new Map<JudgeName, string>();
  for (const item of text.split(',')) {
    const [, key = '', source] = /^\s*([\w-]+)\s*(?:=(.+))?$/.exec(item) ?? [];
    if (!Object.hasOwn(written, key)) return undefined;
    for (const name of written[key]!) {
      names.add(name);
      if (source !== undefined) sources.set(name, source.trim());
    }
  }
  return { names: [...names], sources };
}
