/** @file Our time to rank the pictures of a folder: node bench/judge/ours.mjs FOLDER BATCH; prints one JSON line. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Judges, rankFiles } from '../../dist/index.js';

const [folder, batch] = process.argv.slice(2);
const prompt = 'a red apple on a wooden table, photograph';
const started = performance.now();
const models = { clip: join(folder, 'model') };
const judges = await Judges.open(['clip'], {
  models,
  batchSize: Number(batch),
  threads: 2,
  lanes: 2,
});
const pictures = join(folder, 'pictures');
const paths = readdirSync(pictures)
  .sort()
  .map((name) => join(pictures, name));
await rankFiles(judges, prompt, paths.slice(0, 2 * Number(batch))); // a batch for each lane
const ready = performance.now();
const { ranking } = await rankFiles(judges, prompt, paths);
const done = performance.now();
const byPath = new Map(ranking.map(({ path, scores }) => [path, scores.clip.value]));
const seconds = (from, to) => (to - from) / 1000;
const result = { seconds: seconds(ready, done), load: seconds(started, ready) };
process.stdout.write(
  `${JSON.stringify({ ...result, values: paths.map((path) => byPath.get(path)) })}\n`,
);
await judges.dispose();
