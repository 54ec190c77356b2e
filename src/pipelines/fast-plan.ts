/**
 * @file The fast mode: guidance in part of the steps (Kynkäänniemi et al. 2024, arXiv 2404.07724) and
 * the deep half of the UNet only now and then (DeepCache, Ma et al. 2023, arXiv 2312.00858).
 */
import { complain } from '../core/errors.js';
import type { Recipe } from './provenance/recipe.js';
import type { StepRange } from './step-range.js';

export interface FastOptions {
  /** Steps that are guided, as shares of all steps. Default [0, 0.6]; composed prompts are always guided. */
  readonly guidance?: readonly [from: number, to: number] | undefined;
  /** The whole UNet runs in every so many steps, 1 to 100; in between only its outermost layers. Default 4. */
  readonly interval?: number | undefined;
  /** Skip connection inside which those layers lie, 0 for the outermost. Default 0. */
  readonly branch?: number | undefined;
}

/** Which calls of a picture are cut short. */
export interface FastPlan {
  readonly interval: number;
  readonly branch: number;
  /** Shares of the steps. */
  readonly guidance: readonly [number, number];
  /** Whether nothing is left out, so that the exact mode draws the picture. */
  readonly isExact: boolean;
  isGuided(call: number): boolean;
  isFull(call: number): boolean;
}

export interface FastRequest {
  readonly range: StepRange;
  /** Calls per step. */
  readonly order: number;
  /** Skip connections of the denoiser; 0 where there is nothing to cache between. */
  readonly branches: number;
}

/** Calls of both halves of a step of second order are treated alike. Throws USAGE. */
export function fastPlan(
  asked: boolean | FastOptions | undefined,
  { range, order, branches }: FastRequest,
): FastPlan | undefined {
  if (asked === undefined || asked === false) return undefined;
  const given = asked === true ? {} : asked;
  const { guidance = [0, 0.6], branch = 0 } = given;
  const interval = branches === 0 ? 1 : (given.interval ?? 4);
  wantShares(guidance);
  wantWhole('interval', interval, [1, 100]);
  wantWhole('branch', branch, [0, Math.max(0, branches - 1)]);
  const steps = Math.ceil((range.end - range.start) / order);
  const [from, to] = guidance.map((share) => Math.round(share * steps)) as [number, number];
  const stepOf = (call: number): number => Math.floor((call - range.start) / order);
  const isGuided = (call: number): boolean => stepOf(call) >= from && stepOf(call) < to;
  return {
    interval,
    branch,
    guidance,
    isExact: interval === 1 && from === 0 && to === steps,
    isGuided,
    // Where guidance sets in, the other side has nothing to go on from.
    isFull: (call) => stepOf(call) % interval === 0 || (from > 0 && stepOf(call) === from),
  };
}

function wantShares(guidance: readonly number[]): void {
  const [from = -1, to = -1] = guidance;
  if (guidance.length === 2 && from >= 0 && from <= to && to <= 1) return;
  throw misuse('guidance', 'two shares from 0 to 1, the smaller one first', guidance);
}

function wantWhole(name: string, value: number, [least, most]: readonly [number, number]): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw misuse(name, `a whole number from ${least} to ${most}`, value);
}

function misuse(name: string, expected: string, got: unknown): Error {
  const next = 'Leave it out to use the default.';
  return complain('USAGE', { where: `fast.${name}`, expected, got: JSON.stringify(got), next });
}

/** Calls that were made for one picture. */
export interface CallTally {
  /** Of the whole network, one text each. */
  full: number;
  /** Of its outermost layers. */
  shallow: number;
  /** Steps without guidance, where there would have been one. */
  unguided: number;
}

export const emptyTally = (): CallTally => ({ full: 0, shallow: 0, unguided: 0 });

/** How a picture was drawn faster than exactly. */
export interface FastReport extends Readonly<CallTally>, Settings {
  /** Whether a small decoder drew the picture. */
  readonly smallDecoder: boolean;
}

type Settings = Pick<FastPlan, 'interval' | 'branch' | 'guidance'>;

export const reportOf = ({ interval, branch, guidance }: Settings): Settings => ({
  interval,
  branch,
  guidance,
});

/** As in infotexts and messages. */
export function fastText({
  guidedFrom,
  guidedTo,
  interval,
  branch,
  decoder,
}: NonNullable<Recipe['fast']>): string {
  const cached = interval === 1 ? [] : [`UNet every ${interval} steps down from branch ${branch}`];
  const drawn = decoder === undefined ? [] : ['small decoder'];
  return [`guidance ${guidedFrom} to ${guidedTo}`, ...cached, ...drawn].join('; ');
}
