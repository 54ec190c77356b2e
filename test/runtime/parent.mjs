/** @file A program with an engine at work, for tests of how programs end. Prints the child's process id. */
import { writeSync } from 'node:fs';
import * as g from '../../dist/graph/build.js';
import { input } from '../../dist/graph/tensor.js';
import { Engine } from '../../dist/runtime/engine.js';

const [ending] = process.argv.slice(2);
const x = input('x', [512, 512]);
let y = x;
for (let i = 0; i < 1500; i++) y = g.mul(g.matmul(y, x), 1 / 512);
const engine = Engine.start({ threads: 1 });
const feeds = new Map([
  ['x', { dtype: 'f32', shape: [512, 512], data: new Float32Array(512 * 512).fill(1) }],
]);

if (ending === 'idle') {
  await engine.whenReady();
  writeSync(1, `${engine.pid}\n`);
} else {
  const session = await engine.load(new Map([['y', y]]));
  const run = session.run(feeds);
  run.catch(() => undefined);
  setTimeout(() => {
    writeSync(1, `${engine.pid}\n`);
    if (ending === 'exit') process.exit(0);
    if (ending === 'throw') throw new Error('a crash on purpose');
  }, 100);
  await run;
}
