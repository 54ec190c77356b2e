/** @file Whole pictures: by every contender in turns, and by the command in its modes. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeImage } from '../../dist/formats/image.js';
import { Judges } from '../../dist/metrics/judges.js';
import { inCheckout } from '../../scripts/document-section.mjs';
import { median } from '../machine.mjs';
import { isOurs, ours, peer, stableDiffusionCpp, watched } from './visit.mjs';

export const pictureSteps = 3; // as in names.py
const prompt = 'a photograph of an astronaut riding a horse';

const readPng = (path) => decodeImage(new Uint8Array(readFileSync(path)), { channels: 3 });

/** How far two pictures of one size lie apart, in levels of 255 and as PSNR in dB. */
export function pictureDifference(one, other) {
  let [most, sum, squares] = [0, 0, 0];
  one.data.forEach((value, i) => {
    const off = Math.abs(value - other.data[i]);
    most = Math.max(most, off);
    sum += off;
    squares += off * off;
  });
  const n = one.data.length;
  return { maxDelta: most, meanDelta: sum / n, psnr: 10 * Math.log10((255 * 255 * n) / squares) };
}

export function folderBytes(path) {
  if (!existsSync(path)) return 0;
  const files = readdirSync(path, { recursive: true, withFileTypes: true });
  const sizes = files.map((file) =>
    file.isFile() ? statSync(join(file.parentPath, file.name)).size : 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Caches a contender may keep, one folder each, and the variables that lead there. */
function cacheOf(folder, name) {
  const path = join(folder, 'cache', name);
  mkdirSync(path, { recursive: true });
  const rewrites = name === 'plain' ? { MALIANG_BENCH_REWRITES: 'none' } : {};
  const own = isOurs(name) ? { XDG_CACHE_HOME: path, ...rewrites } : {};
  return { path, env: { MALIANG_PEER_CACHE: path, ...own } };
}

export const cacheEnvironment = (folder, name) => cacheOf(folder, name).env;

/**
 * One picture of a few steps by one contender. `isPrepared` says whether its cache may hold
 * something; the first step's start is its end less a later step.
 */
export async function pictureVisit(folder, { name, side, isPrepared }) {
  const { path, env } = cacheOf(folder, name);
  if (!isPrepared) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
  }
  const scratch = mkdtempSync(join(tmpdir(), 'maliang-bench-'));
  const out = join(scratch, 'picture.png');
  try {
    const result = await draw(name, { folder, side, out, env });
    const reference = await readPng(join(folder, 'references', `picture-${side}.png`));
    const off = pictureDifference(await readPng(out), reference);
    return { ...result, ...off, cacheBytes: folderBytes(path), isPrepared };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function draw(name, { folder, side, out, env }) {
  if (name === 'sdcpp') return drawBySdcpp({ folder, side, out });
  const steps = `${pictureSteps}`;
  const result = isOurs(name)
    ? await ours(['picture', folder, `${side}`, steps, out], env)
    : await peer(['picture', folder, `${side}`, name, steps, out], env);
  const { stepEndMs, endMs, peakBytes } = result;
  const stepMs = median(stepEndMs.slice(1).map((end, i) => end - stepEndMs[i]));
  return {
    stepMs,
    toFirstStepMs: stepEndMs[0] - stepMs,
    tailMs: endMs - stepEndMs.at(-1),
    peakBytes,
  };
}

/** stable-diffusion.cpp says its times in its log: sampling and decoding in seconds. */
async function drawBySdcpp({ folder, side, out }) {
  const args = ['-m', join(folder, 'sd15'), '-p', prompt, '-W', side, '-H', side, '-o', out];
  const how = ['--steps', pictureSteps, '--cfg-scale', 7.5, '--seed', 1, '--rng', 'cpu', '-t', 2];
  const form = ['--sampling-method', 'euler', '--type', 'f32', '--diffusion-fa', '-v'];
  const run = await watched(stableDiffusionCpp, [...args, ...how, ...form].map(String));
  const log = `${run.lines.join('\n')}\n${run.errors}`;
  const seconds = (what) =>
    Number(new RegExp(`${what} completed, taking ([\\d.]+)s`).exec(log)?.[1]);
  const [sampling, decoding] = [seconds('sampling'), seconds('decode_first_stage')];
  const toFirstStepMs = run.ms - 1000 * (sampling + decoding);
  const stepMs = (1000 * sampling) / pictureSteps;
  return { stepMs, toFirstStepMs, tailMs: 1000 * decoding, peakBytes: run.peakBytes };
}

/** Pictures of the command: which arguments, and the row its quality is measured against. */
export const modeRows = {
  'exact-25': { args: ['--steps', '25'] },
  'fast-25': { args: ['--steps', '25', '--fast'], against: 'exact-25' },
  'fast-taesd-25': { args: ['--steps', '25', '--fast', '--preview-decoder', 'TAESD'] },
  'exact-4': { args: ['--steps', '4'] },
  'low-memory-4': { args: ['--steps', '4', '--low-memory'], against: 'exact-4' },
  'int8-4': { args: ['--steps', '4', '--precision', 'int8'], against: 'exact-4' },
  'lcm-4': { args: ['--steps', '4', '--sampler', 'lcm', '--guidance', '1'] },
  'lcm-taesd-4': {
    args: ['--steps', '4', '--sampler', 'lcm', '--guidance', '1', '--vae', 'TAESD'],
  },
  'turbo-1': { args: ['--steps', '1', '--sampler', 'euler', '--guidance', '1'] },
  'turbo-taesd-1': {
    args: ['--steps', '1', '--sampler', 'euler', '--guidance', '1', '--vae', 'TAESD'],
  },
};

const cli = inCheckout('dist/cli.js');

/** Runs the command; its pictures stay in `out`. An option it does not know is an error. */
async function command(out, args, env) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const all = [cli, ...args, '--seed', '1', '--threads', '2', '--quiet', '--out', out];
  const { ms, peakBytes } = await watched(process.execPath, all, env);
  const names = readdirSync(out).filter((name) => name.endsWith('.png'));
  return { ms, peakBytes, paths: names.sort().map((name) => join(out, name)) };
}

/** One picture of the big model in a mode, process start to PNG. */
export async function modeVisit(folder, { name, side }) {
  const { args, against } = modeRows[name];
  const place = (row) => join(folder, 'pictures', row);
  const given = args.map((arg) => (arg === 'TAESD' ? join(folder, 'taesd') : arg));
  const model = ['--model', join(folder, 'sd15'), '--size', `${side}`];
  const { env } = cacheOf(folder, 'maliang');
  const { ms, peakBytes, paths } = await command(place(name), [prompt, ...model, ...given], env);
  const exact = against && pngsOf(place(against))[0];
  const off = exact ? pictureDifference(await readPng(paths[0]), await readPng(exact)) : {};
  return { ms, peakBytes, ...off };
}

function pngsOf(path) {
  if (!existsSync(path)) return [];
  const names = readdirSync(path).filter((name) => name.endsWith('.png'));
  return names.sort().map((name) => join(path, name));
}

export const builtInRows = {
  exact: [],
  fast: ['--fast'],
  'low-memory': ['--low-memory'],
  int8: ['--precision', 'int8'],
};
const builtInPrompts = ['a red apple, flat', 'three green frogs', 'a rocket on a blue background'];
const further = 4;

/** The built-in model: start to PNG, each further picture, and what a mode costs beside the exact picture. */
export async function builtInVisit(folder, name) {
  const args = builtInRows[name];
  const { env } = cacheOf(folder, 'maliang');
  const place = (row, i) => join(folder, 'pictures', `builtin-${row}-${i}`);
  const one = await command(place(name, 'one'), [builtInPrompts[0], ...args], env);
  const [differences, cosines] = [[], []];
  let fiveMs = 0;
  for (const [i, text] of builtInPrompts.entries()) {
    const drawn = await command(place(name, i), [text, '--num', `${1 + further}`, ...args], env);
    if (i === 0) fiveMs = drawn.ms;
    cosines.push(...(await judged(drawn.paths, text)));
    for (const [at, exact] of pngsOf(place('exact', i)).entries()) {
      differences.push(pictureDifference(await readPng(drawn.paths[at]), await readPng(exact)));
    }
  }
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    ms: one.ms,
    furtherMs: (fiveMs - one.ms) / further,
    peakBytes: one.peakBytes,
    cosine: mean(cosines),
    ...(name !== 'exact' && {
      psnr: mean(differences.map(({ psnr }) => Math.min(psnr, 99))),
      maxDelta: Math.max(...differences.map(({ maxDelta }) => maxDelta)),
      meanDelta: mean(differences.map(({ meanDelta }) => meanDelta)),
    }),
  };
}

/** Cosines of pictures to their prompt, by the judge that comes with the package. */
async function judged(paths, text) {
  const judges = await Judges.open(['clip']);
  try {
    const pictures = [];
    for (const path of paths) pictures.push(await readPng(path));
    const { scores } = await judges.score(pictures, text);
    return scores[0].values.map((row) => (Array.isArray(row) ? row[0] : row));
  } finally {
    await judges.dispose();
  }
}
