/** @file Entry point of `npm run data:pictograms`: builds the pictogram data set, printing progress. */
import { join } from 'node:path';
import { MaliangError } from '../core/errors.js';
import { type BuildProgress, buildPictograms } from './pictogram-builder.js';

const folder = process.argv[2] ?? join('.cache', 'pictograms');
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

try {
  const { index, hasDrawn } = await buildPictograms({
    folder,
    onProgress: printProgress,
    signal: stop.signal,
  });
  const { concepts, pictures } = index;
  const heldOut = concepts.filter(({ isHeldOut }) => isHeldOut).length;
  const state = hasDrawn ? 'built' : 'up to date';
  const counts = `${concepts.length} concepts (${heldOut} held out), ${pictures.length} pictures`;
  process.stdout.write(`${folder}: ${counts}, ${state}\n`);
} catch (error) {
  if (!(error instanceof MaliangError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

function printProgress({ done, total }: BuildProgress): void {
  if (done % 200 === 0 || done === total) process.stderr.write(`drawn ${done} of ${total}\n`);
}
