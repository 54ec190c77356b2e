/** @file A program that writes one checkpoint after the other, step k filled with k, until it is killed. */
import { writeSync } from 'node:fs';
import { writeCheckpoint } from '../../dist/train/checkpoint.js';
import { ParameterLayout } from '../../dist/train/flat-parameters.js';

const [path, length, first] = process.argv.slice(2);
const layout = new ParameterLayout([{ name: 'w', shape: [Number(length)] }]);
for (let step = Number(first); ; step++) {
  const vector = new Float32Array(layout.length).fill(step);
  const state = { parameters: vector, firstMoment: vector, secondMoment: vector, average: vector };
  await writeCheckpoint(path, layout, state, { step, elapsedMs: step, optimizer: 'adamw' });
  writeSync(1, `${step}\n`);
}
