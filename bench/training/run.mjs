/**
 * @file Our training step beside PyTorch's on the same configuration, batch and machine, in turns:
 * MALIANG_PEER_PYTHON=/path/to/python node bench/training/run.mjs [--write]
 * The peer needs torch and diffusers; without it only our side runs.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inCheckout, writeEntry, writeSection } from '../../scripts/document-section.mjs';
import { machine, machineLine, median, requireQuiet, timed } from '../machine.mjs';

const { values } = parseArgs({
  options: {
    config: { type: 'string', multiple: true, default: ['generator', 'unet-64-128-256'] },
    batch: { type: 'string', default: '64' },
    micro: { type: 'string', multiple: true, default: ['16', '32', '64'] },
    tokens: { type: 'string', default: '32' },
    peers: { type: 'string', default: 'eager,channels_last,compile' },
    rounds: { type: 'string', default: '3' },
    repeats: { type: 'string', default: '7' },
    write: { type: 'boolean', default: false },
  },
});
const python = process.env.MALIANG_PEER_PYTHON;
const peers = python ? values.peers.split(',').filter(Boolean) : [];
const { batch, tokens, repeats } = values;
const scratch = mkdtempSync(join(tmpdir(), 'maliang-bench-'));

/** `generator` is the model of the built-in recipe, any other name a file beside this one. */
function modelConfig(name) {
  if (name !== 'generator') return readFileSync(inCheckout(`bench/training/${name}.json`), 'utf8');
  const recipe = readFileSync(inCheckout('assets/recipe/diffusion.json'), 'utf8');
  return JSON.stringify(JSON.parse(recipe).model);
}

/** Runs one side once; its last line is the result. */
async function once(command, args) {
  const { output } = await timed(command, args);
  return JSON.parse(output.trim().split('\n').at(-1));
}

function contenders(path) {
  const ours = values.micro.map((micro) => ({
    name: `Maliang, micro-batch ${micro}`,
    isOurs: true,
    run: () => once(process.execPath, [here('ours.mjs'), path, batch, tokens, micro, repeats]),
  }));
  const theirs = peers.map((mode) => ({
    name: `PyTorch, ${mode}`,
    isOurs: false,
    run: () => once(python, [here('peer.py'), path, batch, tokens, mode, repeats]),
  }));
  return [...ours, ...theirs];
}

const here = (name) => inCheckout(`bench/training/${name}`);

/** Every contender in every round, so that a slow spell of the machine meets all of them. */
async function race(path) {
  const lanes = contenders(path).map((lane) => ({ ...lane, milliseconds: [], parameters: 0 }));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const lane of lanes) {
      const { milliseconds, parameters } = await lane.run();
      lane.milliseconds.push(...milliseconds);
      lane.parameters = parameters;
      process.stderr.write(`${lane.name}: ${median(milliseconds).toFixed(0)} ms\n`);
    }
  }
  return lanes.map(({ name, isOurs, milliseconds, parameters }) => {
    const ms = median(milliseconds);
    return {
      name,
      isOurs,
      parameters,
      ms,
      imagesPerSecond: (1000 * Number(batch)) / ms,
      milliseconds,
    };
  });
}

const fastest = (lanes) => lanes.reduce((best, lane) => (lane.ms < best.ms ? lane : best));

function report(name, lanes, profile) {
  const ours = fastest(lanes.filter(({ isOurs }) => isOurs));
  const theirs = lanes.filter(({ isOurs }) => !isOurs);
  const bar = theirs.length > 0 ? fastest(theirs) : undefined;
  const rows = lanes.map(
    ({ name: lane, ms, imagesPerSecond }) =>
      `| ${lane} | ${ms.toFixed(0)} | ${imagesPerSecond.toFixed(1)} |`,
  );
  const ratio = bar
    ? `**Ratio ${(bar.ms / ours.ms).toFixed(2)}** (${ours.name} to ${bar.name}; at least 0.8 is asked for).`
    : 'No peer was measured.';
  const inside = Object.values(profile.byKind).reduce((sum, ms) => sum + ms, 0);
  const coreMs = profile.cores * profile.stepMs;
  const share = (ms) => `${((100 * ms) / coreMs).toFixed(0)} %`;
  const kinds = Object.entries({ ...profile.byKind, 'outside the graph': coreMs - inside });
  return [
    `### ${name}`,
    '',
    `${ours.parameters.toLocaleString('en')} parameters, batch ${batch}, ${tokens} text tokens.`,
    '',
    '| step | ms | images/s |',
    '|---|---|---|',
    ...rows,
    '',
    ratio,
    '',
    `Our step of ${profile.stepMs} ms on ${profile.cores} cores, by the profile of a micro-batch on one: ${kinds.map(([kind, ms]) => `${kind} ${share(ms)}`).join(', ')}.`,
  ].join('\n');
}

/** Our fastest micro-batch once more, with ONNX Runtime's profiler. */
async function profiled(path, lanes) {
  const micro = fastest(lanes.filter(({ isOurs }) => isOurs))
    .name.split(' ')
    .at(-1);
  const prefix = join(scratch, 'profile');
  const args = [here('ours.mjs'), path, batch, tokens, micro, '3', prefix];
  return (await once(process.execPath, args)).profile;
}

await requireQuiet(values.write);
if (!python) process.stderr.write('MALIANG_PEER_PYTHON is not set: our side alone.\n');
const results = {};
const sections = [];
try {
  for (const name of values.config) {
    const path = join(scratch, `${name}.json`);
    writeFileSync(path, modelConfig(name));
    const lanes = await race(path);
    const profile = await profiled(path, lanes);
    results[name] = { batch: Number(batch), tokens: Number(tokens), lanes, profile };
    sections.push(report(name, lanes, profile));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const rounds = `Medians over ${values.rounds} rounds of ${repeats} steps, in turns.`;
const text = [`${machineLine(machine())} ${rounds}`, ...sections].join('\n\n');
process.stdout.write(`${text}\n`);
if (values.write) {
  await writeEntry('docs/performance.json', 'training', { machine: machine(), results });
  await writeSection('docs/performance.md', 'training', text);
}
