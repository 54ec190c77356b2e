/**
 * @file One visit of Maliang, through the sessions its pipelines use; the last line it prints is JSON as peer.py's.
 * node ours.mjs part FOLDER CASE WARMUPS REPEATS | gemm SIDE REPEATS | bands FOLDER CASE TILING |
 * picture FOLDER SIDE STEPS OUT.png
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randn } from '../../dist/core/random.js';
import { floatTensor, toFloat32 } from '../../dist/core/tensor-data.js';
import { parseSafetensorsHeader, readTensor } from '../../dist/formats/safetensors.js';
import { matmul } from '../../dist/graph/build.js';
import { input } from '../../dist/graph/tensor.js';
import { Engine, encodePng, TextToImage } from '../../dist/index.js';
import { decodeLatents } from '../../dist/pipelines/decode-latents.js';
import { readPartFolder } from '../../dist/pipelines/model-part.js';
import { SessionCache } from '../../dist/pipelines/session-cache.js';
import { readTextToImageModel } from '../../dist/pipelines/text-to-image-model.js';
import { feedName, flopsOf, graphOf, parseCase } from './parts.mjs';

const threads = 2;
const rewrites = process.env.MALIANG_BENCH_REWRITES;
const prompt = 'a photograph of an astronaut riding a horse'; // as in names.py
const startedAt = Number(process.env.MALIANG_PEER_STARTED);
const sinceStart = () => Date.now() - startedAt;
const tell = (values) => process.stdout.write(`${JSON.stringify(values)}\n`);

function readCase(folder, id) {
  const bytes = new Uint8Array(readFileSync(join(folder, 'references', `${id}.safetensors`)));
  const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
  const named = (start) =>
    [...tensors]
      .filter(([key]) => key.startsWith(start))
      .map(([key, entry]) => [key.slice(start.length), readTensor(bytes, entry)]);
  return { inputs: new Map(named('input.')), expected: named('output.') };
}

/** Largest difference over max(1, max |reference|), over all outputs. */
function distance(actual, expected) {
  let worst = 0;
  for (const [name, reference] of expected) {
    const [ours, theirs] = [toFloat32(actual.get(name)), toFloat32(reference)];
    if (ours.length !== theirs.length) return Number.MAX_VALUE;
    let [most, scale] = [0, 1];
    for (let i = 0; i < theirs.length; i++) {
      const off = Math.abs(ours[i] - theirs[i]);
      most = Math.max(most, Number.isFinite(off) ? off : Number.MAX_VALUE);
      scale = Math.max(scale, Math.abs(theirs[i]));
    }
    worst = Math.max(worst, most / scale);
  }
  return worst;
}

/** The part as the pipelines have it read. */
async function readPart(folder, part) {
  if (part === 'taesd') {
    return readPartFolder(join(folder, 'taesd'), { name: 'vae', classes: ['AutoencoderTiny'] });
  }
  const model = await readTextToImageModel(join(folder, 'sd15'), {});
  if (part === 'unet') return model.denoiser;
  return part === 'text' ? model.towers[0].part : model.vae;
}

async function measured(call, warmups, repeats) {
  const milliseconds = [];
  for (let run = 0; run < Math.max(0, warmups) + repeats; run++) {
    const start = performance.now();
    await call();
    if (run >= warmups) milliseconds.push(performance.now() - start);
  }
  return milliseconds;
}

async function runPart(engine, [folder, id, ...times]) {
  const [warmups, repeats] = times.map(Number);
  const { part: name } = parseCase(id);
  const { inputs, expected } = readCase(folder, id);
  const sessions = new SessionCache(engine);
  const part = await readPart(folder, name);
  const wanted = new Set(expected.map(([output]) => output));
  const build = () => new Map([...graphOf(folder, id)].filter(([output]) => wanted.has(output)));
  const feeds = new Map([...inputs].map(([name, value]) => [feedName(name), value]));
  const call = () => sessions.run({ part, form: id, build, feeds });
  const outputs = await call();
  const firstEndMs = sinceStart();
  const off = distance(outputs, expected);
  const milliseconds = await measured(call, warmups - 1, repeats);
  tell({ firstEndMs, distance: off, milliseconds, flops: flopsOf(folder, id) });
}

/** A product of two square matrices: what the machine can do at best. */
async function runGemm(engine, given) {
  const [side, repeats] = given.map(Number);
  const [a, b] = ['a', 'b'].map((name) => input(name, [side, side]));
  const session = await engine.load(new Map([['c', matmul(a, b)]]));
  const feeds = new Map(['a', 'b'].map((name, i) => [name, randn([side, side], i)]));
  tell({ milliseconds: await measured(() => session.run(feeds), 3, repeats) });
}

/** The decoder in bands of rows or whole, through the pipeline; pixels against the reference's. */
async function runBands(engine, [folder, id, tiling]) {
  const { inputs, expected } = readCase(folder, id);
  await engine.whenReady();
  const sessions = new SessionCache(engine);
  const model = await readTextToImageModel(join(folder, 'sd15'), {});
  const { data, shape } = inputs.get('latents');
  // The pipeline's latents are scaled.
  const latents = floatTensor(
    data.map((x) => x * model.vae.config.scalingFactor),
    shape,
  );
  tell({ mark: 'idle' });
  const start = performance.now();
  const { pixels } = await decodeLatents(model, sessions, latents, { tiling });
  const milliseconds = [performance.now() - start];
  const [, reference] = expected[0];
  tell({ milliseconds, ...byteDifference(pixels, reference) });
}

/** Between pixels [height, width, 3] and a picture [1, 3, height, width] in −1..1. */
function byteDifference(pixels, { data }) {
  const area = pixels.length / 3;
  let [most, sum] = [0, 0];
  for (let i = 0; i < pixels.length; i++) {
    const value = Math.min(1, Math.max(0, data[(i % 3) * area + Math.floor(i / 3)] / 2 + 0.5));
    const off = Math.abs(Math.round(255 * value) - pixels[i]);
    most = Math.max(most, off);
    sum += off;
  }
  return { maxDelta: most, meanDelta: sum / pixels.length };
}

async function runPicture([folder, side, steps, out]) {
  const stepEndMs = [];
  const model = await TextToImage.fromPretrained(join(folder, 'sd15'), { threads, rewrites });
  const [width, height] = [Number(side), Number(side)];
  const options = { width, height, steps: Number(steps), guidanceScale: 7.5, seed: 1 };
  for await (const event of model.stream(prompt, options)) {
    if (event.kind === 'step') stepEndMs.push(sinceStart());
    if (event.kind !== 'image') continue;
    const { pixels: data } = event.picture;
    writeFileSync(out, encodePng({ width, height, channels: 3, data }));
  }
  tell({ stepEndMs, endMs: sinceStart() });
  await model.dispose();
}

const inEngine = { part: runPart, gemm: runGemm, bands: runBands };
const [what, ...rest] = process.argv.slice(2);
if (what === 'picture') await runPicture(rest);
else {
  const engine = Engine.start({ threads, rewrites });
  try {
    await inEngine[what](engine, rest);
  } finally {
    await engine.dispose();
  }
}
