/**
 * @file The longest time the caller's event loop stands still while a model loads and draws:
 * node bench/event-loop.mjs [--model FOLDER] [--steps N] [--runs 5] [--write]
 */
import { parseArgs } from 'node:util';
import { TextToImage } from '../dist/index.js';
import { writeEntry, writeSection } from '../scripts/document-section.mjs';
import { machine, machineLine, median, requireQuiet } from './machine.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    steps: { type: 'string' },
    runs: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const steps = values.steps && Number(values.steps);
const most = 50;

/**
 * Runs `work`; gives its result, the longest gap in milliseconds between turns of the loop, and the
 * most processor time of this process in one gap: on a busy machine the first is mere waiting.
 */
async function longestStall(work) {
  let [last, used, isDone] = [performance.now(), process.cpuUsage(), false];
  const stall = { wall: 0, processor: 0 };
  const turn = () => {
    const now = performance.now();
    const { user, system } = process.cpuUsage(used);
    stall.wall = Math.max(stall.wall, now - last);
    stall.processor = Math.max(stall.processor, (user + system) / 1000);
    [last, used] = [now, process.cpuUsage()];
    if (!isDone) setTimeout(turn, 1);
  };
  turn();
  const result = await work();
  isDone = true;
  turn();
  return { result, stall };
}

const stalls = { 'loading the model': [], 'the first picture': [], 'the second picture': [] };
await requireQuiet(values.write);
for (let run = 0; run < runs; run++) {
  const { result: pipe, stall } = await longestStall(() =>
    TextToImage.fromPretrained(values.model),
  );
  stalls['loading the model'].push(stall);
  for (const [seed, during] of ['the first picture', 'the second picture'].entries()) {
    const drawing = await longestStall(() => pipe.generate('a red apple, flat', { seed, steps }));
    stalls[during].push(drawing.stall);
  }
  await pipe.dispose();
}
const rows = Object.entries(stalls).map(([during, all]) => ({
  during,
  first: all[0].wall,
  median: median(all.map(({ wall }) => wall)),
  longest: Math.max(...all.map(({ wall }) => wall)),
  processor: Math.max(...all.map(({ processor }) => processor)),
}));
const text = [
  `${machineLine(machine())} Longest gap between two turns of the event loop, milliseconds; ${runs} runs`,
  `in one process, the first without warm caches. At most ${most} ms in each.`,
  '',
  '| during | first run | median | longest | most processor time in a gap |',
  '|---|---|---|---|---|',
  ...rows.map(({ during, ...times }) => {
    const cells = [times.first, times.median, times.longest, times.processor];
    return `| ${[during, ...cells.map((ms) => ms.toFixed(1))].join(' | ')} |`;
  }),
].join('\n');
process.stdout.write(`${text}\n`);
if (values.write) {
  await writeEntry('docs/performance.json', 'eventLoop', { machine: machine(), runs, rows });
  await writeSection('docs/performance.md', 'event-loop', text);
}
process.exitCode = rows.some(({ longest }) => longest > most) ? 1 : 0;
