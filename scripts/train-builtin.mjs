/** @file `npm run train:builtin`: trains the built-in model from the recipe, continuing where it was stopped. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MaliangError } from '../dist/core/errors.js';
import { trainBuiltin } from '../dist/train/builtin.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
process.chdir(root);

try {
  await trainBuiltin({
    recipe: join('assets', 'recipe'),
    runs: join('runs', 'builtin'),
    output: join('assets', 'model'),
    signal: stop.signal,
    onStage: (stage) => process.stderr.write(`== ${stage}\n`),
    onProgress: (what, done, total) => {
      if (done % 1600 === 0) process.stderr.write(`${what}: ${done} of ${total}\n`);
    },
    onStep: (stage, { step, totalSteps, images, values, stepMs, elapsedMs }) => {
      if (step % 50 !== 0 && step > 3) return;
      const rate = ((1000 * images) / step / stepMs).toFixed(1);
      const reports = Object.entries(values).map(([name, value]) => `${name} ${value.toFixed(4)}`);
      const minutes = (elapsedMs / 60_000).toFixed(1);
      const line = `${stage} ${step}/${totalSteps} ${minutes} min ${rate} images/s`;
      process.stderr.write(`${line} ${reports.join(' ')}\n`);
    },
  });
} catch (error) {
  if (!(error instanceof MaliangError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}
