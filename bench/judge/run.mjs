/**
 * @file Ranking 64 pictures of 512×512 with CLIP B/32 beside transformers and PyTorch, in turns:
 * MALIANG_PEER_PYTHON=/path/to/python node bench/judge/run.mjs --folder FOLDER [--write]
 * The folder gets the model (0.6 GB) and the pictures when it lacks them.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inCheckout, writeEntry, writeSection } from '../../scripts/document-section.mjs';
import { machine, machineLine, median, requireQuiet, timed } from '../machine.mjs';

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    count: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
});
const python = process.env.MALIANG_PEER_PYTHON;
if (!python || !values.folder) {
  process.stderr.write('bench: expected MALIANG_PEER_PYTHON and --folder.\n');
  process.exit(2);
}
const folder = values.folder;
const here = (name) => inCheckout(`bench/judge/${name}`);
const theirs = (batch, mode) => [python, [here('peer.py'), 'rank', folder, batch, mode]];
const ours = (batch) => [process.execPath, [here('ours.mjs'), folder, batch]];
const lanes = [
  { name: 'Maliang, batches of 8', isOurs: true, call: ours('8') },
  { name: 'Maliang, batches of 16', isOurs: true, call: ours('16') },
  { name: 'transformers, eager, batches of 8', isOurs: false, call: theirs('8', 'eager') },
  { name: 'transformers, eager, batches of 32', isOurs: false, call: theirs('32', 'eager') },
  { name: 'transformers, compile, batches of 16', isOurs: false, call: theirs('16', 'compile') },
].map((lane) => ({ ...lane, seconds: [], load: [], values: [] }));

if (!existsSync(join(folder, 'pictures'))) {
  mkdirSync(folder, { recursive: true });
  await timed(python, [here('peer.py'), 'make', folder, values.count]);
}
await requireQuiet(values.write);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const lane of lanes) {
    const { output } = await timed(...lane.call);
    const { seconds, load, values: cosines } = JSON.parse(output.trim().split('\n').at(-1));
    lane.seconds.push(seconds);
    lane.load.push(load);
    lane.values = cosines;
    process.stderr.write(`${lane.name}: ${seconds.toFixed(2)} s\n`);
  }
}
const reference = lanes.find(({ isOurs }) => !isOurs).values;
const off = Math.max(
  ...lanes.flatMap((lane) => lane.values.map((v, i) => Math.abs(v - reference[i]))),
);
const best = (isOurs) =>
  Math.min(...lanes.filter((lane) => lane.isOurs === isOurs).map((lane) => median(lane.seconds)));
const ratio = best(false) / best(true);
const rows = lanes.map(
  ({ name, seconds, load }) =>
    `| ${name} | ${median(seconds).toFixed(2)} | ${median(load).toFixed(2)} |`,
);
const text = `${machineLine(machine())} ${values.count} PNG files of 512×512 from disk, decoded, prepared and judged by
one prompt with CLIP B/32 of full size, two threads, f32; medians of ${values.rounds} rounds in turns. Cosines of all
contenders agree within ${off.toExponential(1)}.

| contender | ranking, s | loading and a first batch, s |
|---|---|---|
${rows.join('\n')}

**Ratio ${ratio.toFixed(2)}** (fastest of theirs to fastest of ours; at least 1.0 is asked for).`;
process.stdout.write(`${text}\n`);
if (values.write) {
  // How a contender is called belongs to this machine.
  const told = lanes.map(({ call, ...lane }) => lane);
  await writeEntry('docs/performance.json', 'judge', { machine: machine(), lanes: told, off });
  await writeSection('docs/performance.md', 'judge', text);
}
