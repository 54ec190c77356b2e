/** @file The tables of docs/performance.md out of what docs/performance.json holds of this bench. */
import { machineLine, median } from '../machine.mjs';
import { parseCase, parts, totalFlops } from './parts.mjs';
import { pictureSteps } from './pictures.mjs';

/** Largest difference from the reference with which a time counts. */
export const tolerance = 1e-3;
/** Of whole pictures in levels of 255; rounding may fall either way after some steps. */
export const pictureTolerance = 2;

const labels = {
  maliang: 'Maliang',
  plain: 'Maliang, `rewrites: none`',
  eager: 'PyTorch, eager',
  channels_last: 'PyTorch, channels last',
  compile: 'PyTorch, compile',
  openvino: 'OpenVINO',
  sdcpp: 'stable-diffusion.cpp, flash attention',
};
export const contenders = Object.keys(labels);

const seconds = (ms) => {
  const value = ms / 1000;
  return value < 1 ? value.toFixed(3) : value.toFixed(2);
};
const gibibytes = (bytes) => (bytes / 2 ** 30).toFixed(2);
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** Median over all visits that computed the right thing. */
export function summary(visits = []) {
  const right = visits.filter(({ distance }) => distance <= tolerance);
  if (right.length === 0) return undefined;
  const ms = median(right.flatMap(({ milliseconds }) => milliseconds));
  const loads = right.map(({ firstEndMs, milliseconds }) => firstEndMs - median(milliseconds));
  return {
    ms,
    loadMs: median(loads),
    distance: Math.max(...right.map(({ distance }) => distance)),
    peakBytes: Math.max(...right.map(({ peakBytes }) => peakBytes)),
    flops: right[0].flops,
  };
}

function whyNot({ visits = [], error }) {
  if (error) return `failed: ${error.replaceAll('|', '/').slice(0, 120)}`;
  const worst = Math.max(...visits.map(({ distance }) => distance));
  return `does not count: ${worst.toExponential(1)} from the reference`;
}

function ratioLine(times, asked) {
  const { maliang, plain: _, ...others } = times;
  const [name, best] = Object.entries(others).sort(([, a], [, b]) => a - b)[0] ?? [];
  if (!maliang || !name) return 'No peer beside it in this run.';
  const wanted = asked ? `; at least ${asked} is asked for` : '';
  return `**${(best / maliang).toFixed(2)} times as fast as the fastest peer** (${labels[name]}${wanted}).`;
}

function caseText(id, lanes) {
  const { part, side, batch } = parseCase(id);
  const rows = [];
  const times = {};
  for (const [name, lane] of Object.entries(lanes)) {
    const found = summary(lane.visits);
    if (!found) {
      rows.push([labels[name], whyNot(lane), '', '', '']);
      continue;
    }
    times[name] = found.ms;
    const { ms, loadMs, peakBytes, distance } = found;
    const off = distance.toExponential(1);
    rows.push([labels[name], seconds(ms), seconds(loadMs), gibibytes(peakBytes), off]);
  }
  const { title, asked } = parts[part];
  const size = part === 'text' ? '' : `, ${side}×${side}`;
  return [
    `#### ${title}${size}, batch ${batch}`,
    table(['contender', 'run, s', 'start to run, s', 'peak memory, GiB', 'max \\|Δ\\|'], rows),
    ratioLine(times, asked),
  ].join('\n\n');
}

/** Our cases against their arithmetic; `gemm` is the best a product of matrices reached. */
function growthText(cases, gemm) {
  const rows = Object.entries(cases).flatMap(([id, lanes]) => {
    const ours = summary(lanes.maliang?.visits);
    if (!ours) return [];
    const { part, side, batch } = parseCase(id);
    const total = totalFlops(ours.flops);
    const rate = total / ours.ms / 1e6;
    const theirs = ['eager', 'openvino', 'compile', 'channels_last'].flatMap(
      (name) => summary(lanes[name]?.visits)?.ms ?? [],
    );
    const shares = Object.values(ours.flops).map((n) => `${((100 * n) / total).toFixed(0)}`);
    return [
      { part, side, batch, total, rate, ours, best: Math.min(...theirs), shares: shares.join('/') },
    ];
  });
  const order = Object.keys(parts);
  rows.sort(
    (a, b) => order.indexOf(a.part) - order.indexOf(b.part) || a.side - b.side || a.batch - b.batch,
  );
  const lines = rows.map(({ part, side, batch, total, rate, ours, best, shares }) => [
    part,
    part === 'text' ? '–' : `${side}²`,
    batch,
    (total / 1e9).toFixed(total < 1e10 ? 2 : 0),
    shares,
    seconds(ours.ms),
    rate.toFixed(0),
    gemm ? `${((100 * rate) / gemm).toFixed(0)} %` : '',
    gibibytes(ours.peakBytes),
    Number.isFinite(best) ? seconds(best) : '–',
  ]);
  const head = ['part', 'picture', 'batch', 'GFLOP', 'conv/linear/attention, %', 'ours, s'];
  return table([...head, 'GFLOP/s', 'of bare GEMM', 'peak, GiB', 'fastest peer, s'], lines);
}

/** GFLOP/s of the faster of the two bare products. */
export function gemmRate({ side, lanes }) {
  const best = Math.min(...Object.values(lanes).flatMap(({ visits }) => visits.map(fastestOf)));
  return Number.isFinite(best) ? (2 * side ** 3) / best / 1e6 : undefined;
}
const fastestOf = ({ milliseconds }) => median(milliseconds);

function pictureText({ side, lanes }) {
  const rows = Object.entries(lanes).map(([name, { visits = [], error }]) => {
    if (visits.length === 0)
      return [labels[name], whyNot({ error: error ?? 'no visit' }), '', '', '', '', '', ''];
    const of = (key, from = visits) => (from.length ? median(from.map((one) => one[key])) : NaN);
    const cold = visits.filter(({ isPrepared }) => !isPrepared);
    const warm = visits.filter(({ isPrepared }) => isPrepared);
    const total = of('toFirstStepMs', warm) + 25 * of('stepMs') + of('tailMs');
    const worst = Math.max(...visits.map(({ maxDelta }) => maxDelta));
    const counts = worst <= pictureTolerance ? '' : ' (another picture)';
    return [
      labels[name],
      seconds(of('toFirstStepMs', cold)),
      seconds(of('toFirstStepMs', warm)),
      `${(Math.max(...visits.map(({ cacheBytes = 0 }) => cacheBytes)) / 1e6).toFixed(0)} MB`,
      seconds(of('stepMs')),
      seconds(total),
      gibibytes(Math.max(...visits.map(({ peakBytes }) => peakBytes))),
      `${worst}${counts}`,
    ];
  });
  const head = ['contender', 'start to first step, s', 'with its cache, s', 'cache', 'step, s'];
  return [
    `#### A whole picture, ${side}×${side}, guidance, ${pictureSteps} steps`,
    table([...head, '25 steps, computed, s', 'peak memory, GiB', 'max \\|Δ\\|, levels'], rows),
    'Start to first step is the end of the first step less the length of a later one, from the start of the process, files in the page cache. 25 steps: start, 25 steps and the rest of the run after the last step.',
  ].join('\n\n');
}

function modesText(title, rows, isBuiltIn) {
  const lines = Object.entries(rows).map(([name, row]) => {
    if (row.error)
      return [name, `failed: ${row.error.replaceAll('|', '/').slice(0, 120)}`, '', '', '', ''];
    const { ms, furtherMs, peakBytes, psnr, maxDelta, meanDelta, cosine } = row;
    const off =
      maxDelta === undefined
        ? '–'
        : `${psnr === null ? '∞' : psnr.toFixed(1)} dB, ${maxDelta}, ${meanDelta.toFixed(2)}`;
    const more = isBuiltIn ? [seconds(furtherMs), cosine.toFixed(3)] : [];
    return [name, seconds(ms), ...more, gibibytes(peakBytes), off];
  });
  const more = isBuiltIn ? ['each further, s', 'cosine to the prompt'] : [];
  const head = [
    'mode',
    'start to PNG, s',
    ...more,
    'peak memory, GiB',
    'PSNR, max and mean \\|Δ\\| to the exact picture',
  ];
  const width = head.length;
  return `#### ${title}\n\n${table(
    head,
    lines.map((line) => line.slice(0, width)),
  )}`;
}

const isGrowth = (lanes) => lanes.isGrowth;

/** Markdown of everything measured so far. */
export function reportText({ machine, versions, results }) {
  const { cases = {}, gemm, picture, modes, builtin, bands } = results;
  const rate = gemm && gemmRate(gemm);
  const peers = Object.entries(versions ?? {}).map(([name, version]) => `${name} ${version}`);
  const lanesOf = (of) => Object.entries(of).map(([id, { lanes }]) => [id, lanes]);
  const raced = lanesOf(
    Object.fromEntries(Object.entries(cases).filter(([, one]) => !isGrowth(one))),
  );
  const sections = [
    `${machineLine(machine)} ${peers.join(', ')}. Two threads, f32; medians over rounds in turns.`,
    ...raced.map(([id, lanes]) => caseText(id, lanes)),
    picture && pictureText(picture),
    picture && !picture.lanes.sdcpp && 'stable-diffusion.cpp was not there to be measured.',
    bands && bandsText(bands),
    Object.keys(cases).length > 0 &&
      `#### How cost grows\n\n${rate ? `A bare product of ${gemm.side}² matrices reaches ${rate.toFixed(0)} GFLOP/s here.\n\n` : ''}${growthText(Object.fromEntries(lanesOf(cases)), rate)}`,
    modes && modesText('Modes and few steps, the big model', modes, false),
    builtin && modesText('The built-in model', builtin, true),
  ];
  return sections.filter(Boolean).join('\n\n');
}

function bandsText({ id, rows }) {
  const lines = Object.entries(rows).map(([tiling, row]) =>
    row.error
      ? [tiling, `failed: ${row.error.slice(0, 120)}`, '', '']
      : [
          tiling,
          seconds(row.milliseconds[0]),
          gibibytes(row.peakBytes - row.idleBytes),
          `${row.maxDelta}`,
        ],
  );
  const { side } = parseCase(id);
  const head = ['bands of rows', 'first run with loading, s', 'memory over an idle engine, GiB'];
  return `#### VAE decode, ${side}×${side}, in bands\n\n${table([...head, 'max \\|Δ\\| to PyTorch, levels'], lines)}`;
}
