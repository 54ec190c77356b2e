/**
 * @file Every part of a picture beside PyTorch, OpenVINO and stable-diffusion.cpp on the same weights, in turns:
 * MALIANG_PEER_PYTHON=… node bench/peers/run.mjs --folder DIR [--prepare [--tiny]] [--only NAME,…] [--list] [--write]
 * `--prepare` makes the models, references and OpenVINO's files; it may run on a busy machine.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readEntries, writeEntry, writeSection } from '../../scripts/document-section.mjs';
import { machine, median, requireQuiet } from '../machine.mjs';
import { caseGroups, flopsOf, nativeSide, totalFlops } from './parts.mjs';
import {
  builtInRows,
  builtInVisit,
  cacheEnvironment,
  modeRows,
  modeVisit,
  pictureVisit,
} from './pictures.mjs';
import { contenders, reportText } from './report.mjs';
import { isOurs, models, ours, peer, python, stableDiffusionCpp } from './visit.mjs';

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    only: { type: 'string' },
    contenders: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    prepare: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    append: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
if (!values.folder) {
  process.stderr.write('bench: --folder DIR is needed; --prepare makes it.\n');
  process.exit(2);
}
const folder = resolve(values.folder);
const say = (text) => process.stderr.write(`${text}\n`);

/** GFLOP/s to guess times by. */
const guessedRate = 100;
const memoryOf = { 'growth-unet-batch-8': 14, 'growth-decode-large': 14, 'growth-encode': 12 };

function isHere(name) {
  if (name === 'sdcpp') return stableDiffusionCpp !== undefined;
  return isOurs(name) || python !== undefined;
}

function chosen(names) {
  const wanted = values.contenders?.split(',') ?? names;
  return names.filter((name) => wanted.includes(name) && isHere(name));
}

const isGrowth = (group) => group.startsWith('growth');
const racing = contenders.filter((name) => name !== 'sdcpp');
const contendersOf = (group) => chosen(isGrowth(group) ? ['maliang', 'eager'] : racing);

/** Runs before the clock counts (the second one still lays out its memory) and runs that count, fewer the longer they take. */
function timesOf(seconds) {
  if (seconds > 5) return [2, 3];
  return seconds > 0.5 ? [2, 5] : [3, 15];
}

/** What `--only` knows: minutes it may take, and the work itself. */
function plan(side) {
  const groups = caseGroups(side);
  const [one] = groups['growth-decode-large'];
  const steps = totalFlops(flopsOf(folder, groups.unet[0])) / guessedRate / 1e9;
  const rest = totalFlops(flopsOf(folder, groups.decode[0])) / guessedRate / 1e9 + 20;
  const draws = (count, calls) => count * (calls * steps + rest);
  const works = {
    gemm: { seconds: 60, run: () => runGemm(side >= 512 ? 2048 : 256) },
  };
  for (const [group, ids] of Object.entries(groups)) {
    works[group] = { seconds: guessed(group, ids), run: () => runCases(group, ids) };
  }
  const pictureLanes = chosen(contenders);
  for (const name of pictureLanes) {
    works[`picture-${name}`] = {
      seconds: 2 * draws(name === 'sdcpp' ? 4 : 1, 3),
      run: () => runPictures(side, [name]),
    };
  }
  const big = (name) => ({
    seconds: draws(1, modeCalls(name)),
    run: () => runRow('modes', name, () => modeVisit(folder, { name, side })),
  });
  for (const name of Object.keys(modeRows)) works[`mode-${name}`] = big(name);
  works.bands = {
    seconds: (2.5 * totalFlops(flopsOf(folder, one))) / guessedRate / 1e9,
    run: () => runBands(one),
  };
  works.builtin = { seconds: 60, run: runBuiltIn };
  return works;
}

function modeCalls(name) {
  const steps = Number(name.split('-').at(-1));
  return /^(lcm|turbo)/.test(name) ? steps / 2 : name.startsWith('fast') ? steps / 3 : steps;
}

function guessed(group, ids) {
  const rounds = isGrowth(group) ? 1 : Number(values.rounds);
  const visits = ids.map((id) => {
    const seconds = totalFlops(flopsOf(folder, id)) / guessedRate / 1e9;
    const [warmups, repeats] = timesOf(seconds);
    return seconds * (warmups + repeats) + (id.startsWith('unet') ? 20 : 8);
  });
  return rounds * contendersOf(group).length * visits.reduce((sum, s) => sum + s, 0);
}

async function runCases(group, ids) {
  const lanes = contendersOf(group);
  const rounds = isGrowth(group) ? 1 : Number(values.rounds);
  for (const id of ids) {
    const [warmups, repeats] = timesOf(totalFlops(flopsOf(folder, id)) / guessedRate / 1e9);
    const found = await race(lanes, rounds, (name) => {
      const args = ['part', folder, id];
      const times = [`${warmups}`, `${repeats}`];
      const env = cacheEnvironment(folder, name);
      return isOurs(name) ? ours([...args, ...times], env) : peer([...args, name, ...times], env);
    });
    for (const [name, { visits }] of Object.entries(found)) {
      const times = visits.flatMap(({ milliseconds }) => milliseconds);
      const off = Math.max(...visits.map(({ distance }) => distance));
      if (times.length > 0)
        say(`${id} ${name}: ${median(times).toFixed(1)} ms, off by ${off.toExponential(1)}`);
    }
    await keep('cases', id, { isGrowth: isGrowth(group), lanes: found });
  }
}

/** Every contender in every round, so that a slow spell of the machine meets all of them. */
async function race(names, rounds, visit) {
  const lanes = Object.fromEntries(names.map((name) => [name, { visits: [] }]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      if (lanes[name].error) continue;
      try {
        lanes[name].visits.push(await visit(name, round));
      } catch (error) {
        lanes[name].error = error.message;
        say(`${name}: ${error.message}`);
      }
    }
  }
  return lanes;
}

async function runGemm(side) {
  const args = ['gemm', `${side}`, '20'];
  const names = chosen(['maliang', 'eager']);
  const lanes = await race(names, Number(values.rounds), (name) =>
    name === 'maliang' ? ours(args) : peer(args),
  );
  await keep('gemm', undefined, { side, lanes });
}

/** The first visit with an empty cache, the others with what it left. */
async function runPictures(side, names) {
  const found = await race(names, 2, (name, round) =>
    pictureVisit(folder, { name, side, isPrepared: round > 0 }),
  );
  for (const name of names) await keep('picture', name, found[name], { side });
}

async function runRow(kind, name, work) {
  const row = await work().catch((error) => ({ error: error.message }));
  say(`${kind} ${name}: ${row.error ?? `${(row.ms / 1000).toFixed(2)} s`}`);
  await keep(kind, name, row);
}

async function runBuiltIn() {
  for (const name of Object.keys(builtInRows)) {
    await runRow('builtin', name, () => builtInVisit(folder, name));
  }
}

async function runBands(id) {
  const rows = {};
  for (const tiling of ['never', 'always']) {
    const visit = ours(['bands', folder, id, tiling]);
    rows[tiling] = await visit.catch((error) => ({ error: error.message }));
  }
  await keep('bands', undefined, { id, rows });
}

const store = readEntries('docs/performance.json').peers ?? { results: {} };
store.machine = machine();

/** Puts a result where its like was measured before; `--append` adds the visits instead. */
async function keep(kind, key, value, more) {
  const { results } = store;
  if (kind === 'picture') {
    const lanes = { ...results.picture?.lanes };
    lanes[key] = merged(lanes[key], value);
    results.picture = { ...more, lanes };
  } else if (key === undefined) results[kind] = value;
  else {
    const before = results[kind]?.[key];
    results[kind] = { ...results[kind], [key]: value.lanes ? withLanes(before, value) : value };
  }
  if (!values.write) return;
  await writeEntry('docs/performance.json', 'peers', store);
  await writeSection('docs/performance.md', 'peers', reportText(store));
}

const withLanes = (before, value) => {
  const lanes = { ...before?.lanes };
  for (const [name, lane] of Object.entries(value.lanes)) lanes[name] = merged(lanes[name], lane);
  return { ...value, lanes };
};

const merged = (before, lane) =>
  values.append && before ? { ...lane, visits: [...before.visits, ...lane.visits] } : lane;

/** Models, references and OpenVINO's files of what was asked for. */
async function prepare() {
  if (!python) throw new Error('--prepare needs MALIANG_PEER_PYTHON.');
  const tiny = values.tiny ? ['--tiny'] : [];
  await models([folder, ...tiny]);
  const side = nativeSide(folder);
  const groups = caseGroups(side);
  const wanted = values.only?.split(',');
  for (const [group, ids] of Object.entries({ ...groups, picture: [`picture-${side}`] })) {
    if (wanted && !wanted.includes(group)) continue;
    say(`preparing ${group}: ${ids.join(', ')}`);
    await models([folder, ...tiny, '--references', ids.join(',')]);
    if (group !== 'picture' && !isGrowth(group))
      await models([folder, ...tiny, '--openvino', ids.join(',')]);
  }
}

async function main() {
  if (values.prepare) return prepare();
  if (!existsSync(join(folder, 'sd15')))
    throw new Error(`${folder}: no models; run with --prepare first.`);
  const works = plan(nativeSide(folder));
  const names = values.only?.split(',') ?? Object.keys(works);
  for (const name of names) {
    if (!works[name])
      throw new Error(`--only knows ${Object.keys(works).join(', ')}; got ${name}.`);
    const memory = memoryOf[name] ?? 8;
    say(`${name}: about ${(works[name].seconds / 60).toFixed(1)} min, up to ${memory} GB`);
  }
  if (values.list) return;
  await requireQuiet(values.write);
  if (!python) say('MALIANG_PEER_PYTHON is not set: our side alone.');
  if (!stableDiffusionCpp) say('MALIANG_SDCPP is not set: without stable-diffusion.cpp.');
  if (python) store.versions = { ...store.versions, ...(await peer(['versions'])) };
  delete store.versions?.peakBytes;
  delete store.versions?.idleBytes;
  for (const name of names) await works[name].run();
  process.stdout.write(`${reportText(store)}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
