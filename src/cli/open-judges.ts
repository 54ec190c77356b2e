/** @file Opens the judges a command asks for. */
import type { JudgeName } from '../metrics/judge-table.js';
import { Judges } from '../metrics/judges.js';
import { locateNamed } from './models-download.js';
import type { OptionValues } from './option-table.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

/** The matcher of `--judge blip=MODEL`, which says how well a caption fits; nothing without one. */
export async function openMatcher(
  values: OptionValues,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Judges | undefined> {
  const source = values.judge?.sources.get('blip-itm');
  if (source === undefined) return undefined;
  const blip = await locateNamed(source, values, terminal, signal);
  const { threads, device } = values;
  return Judges.open(['blip-itm'], { models: { blip }, threads, device, offline: true });
}

/**
 * Opens the judges of `--judge`, the built-in CLIP when none is named; models of the hub are downloaded
 * as `--model` does. Throws USAGE and what reading a model throws.
 */
export async function openJudges(
  values: OptionValues,
  terminal: Terminal,
  signal: AbortSignal,
  lanes: 1 | 2 = 1,
): Promise<Judges> {
  const { judge, threads, device } = values;
  const names = judge?.names ?? ['clip'];
  const at = async (...keys: readonly JudgeName[]): Promise<string | undefined> => {
    const key = keys.find((name) => judge?.sources.has(name));
    if (key === undefined) return undefined;
    return locateNamed(judge!.sources.get(key)!, values, terminal, signal);
  };
  const [clip, siglip] = [await at('clip'), await at('siglip')];
  const [blip, head] = [await at('blip-itm', 'blip-itc'), await at('aesthetic')];
  if (names.includes('aesthetic') && (clip === undefined || head === undefined)) {
    const { say } = terminal;
    throw usageError(say, { where: '--judge', expected: say('usage.aesthetic'), got: 'aesthetic' });
  }
  const aesthetic = clip === undefined || head === undefined ? undefined : { clip, head };
  const models = { clip, siglip, blip, aesthetic };
  return Judges.open(names, { models, threads, device, lanes, offline: true });
}
