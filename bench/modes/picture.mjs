/**
 * @file One picture in one mode at full size: times, peak of anonymous memory, and how far it is from another run.
 * node bench/modes/picture.mjs --full FOLDER [--mode exact|low-memory|int8|fast] [--interval N] [--branch N]
 *   [--guidance 0,0.6] [--decoder FOLDER] [--size 512] [--steps 25] [--threads 2] [--save F] [--against F]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { TextToImage } from '../../dist/index.js';
import { requireQuiet } from '../machine.mjs';
import { watchMemory } from './memory.mjs';
import { modelFolder } from './model-folder.mjs';

const { values } = parseArgs({
  options: {
    full: { type: 'string' },
    mode: { type: 'string', default: 'exact' },
    interval: { type: 'string' },
    branch: { type: 'string' },
    guidance: { type: 'string' },
    decoder: { type: 'string' },
    size: { type: 'string', default: '512' },
    steps: { type: 'string', default: '25' },
    threads: { type: 'string', default: '2' },
    save: { type: 'string' },
    against: { type: 'string' },
  },
});

const modes = {
  exact: {},
  'low-memory': { lowMemory: true },
  int8: { precision: 'int8' },
  fast: {},
};
if (!values.full || !Object.hasOwn(modes, values.mode)) throw new Error('bench: see the header.');

const number = (text) => (text === undefined ? undefined : Number(text));
const fast = values.mode === 'fast' && {
  interval: number(values.interval),
  branch: number(values.branch),
  guidance: values.guidance?.split(',').map(Number),
};

await requireQuiet(false);
const folder = modelFolder(values.full);
const memory = watchMemory();
const seconds = (since) => Number(((performance.now() - since) / 1000).toFixed(2));
const result = { mode: values.mode, size: Number(values.size), loads: [], steps: [], peaksMiB: {} };
try {
  const start = performance.now();
  let last = start;
  const pipe = await TextToImage.fromPretrained(folder.path, {
    ...modes[values.mode],
    threads: Number(values.threads),
    previewDecoder: values.decoder,
    onProgress: ({ stage, component }) => {
      if (stage === 'load') result.loads.push([component, seconds(start)]);
    },
  });
  const side = Number(values.size);
  const options = { width: side, height: side, steps: Number(values.steps), seed: 1, fast };
  for await (const event of pipe.stream('a red apple', { ...options, guidanceScale: 7.5 })) {
    if (event.kind === 'warning') continue;
    const key = event.kind === 'step' ? (event.step === 1 ? 'first step' : 'steps') : 'decode';
    result.peaksMiB[key] = Math.max(result.peaksMiB[key] ?? 0, memory.lap());
    if (event.kind === 'step') result.steps.push(seconds(last));
    else result.decode = seconds(last);
    last = performance.now();
    if (event.kind === 'image') finish(event.picture);
  }
  result.total = seconds(start);
  await pipe.dispose();
} finally {
  memory.stop();
  folder.dispose();
}
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);

function finish({ latents, pixels, fast: report }) {
  result.fast = report;
  const bytes = Buffer.from(latents.data.buffer, latents.data.byteOffset, latents.data.byteLength);
  if (values.save) writeFileSync(values.save, Buffer.concat([bytes, pixels]));
  if (!values.against) return;
  const other = readFileSync(values.against);
  const exact = new Float32Array(new Uint8Array(other.subarray(0, bytes.length)).buffer);
  result.latentError = ratio(latents.data, exact);
  const drawn = other.subarray(bytes.length);
  const squares = pixels.reduce((sum, value, i) => sum + (value - drawn[i]) ** 2, 0);
  result.largestPixelDifference = pixels.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - drawn[i])),
    0,
  );
  result.psnr = 10 * Math.log10(255 ** 2 / (squares / pixels.length));
}

/** Relative L2 error. */
function ratio(a, b) {
  let [error, power] = [0, 0];
  a.forEach((value, i) => {
    error += (value - b[i]) ** 2;
    power += b[i] ** 2;
  });
  return Math.sqrt(error / power);
}
