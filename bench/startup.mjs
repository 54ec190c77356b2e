/**
 * @file Time from process start to a PNG on disk, per further picture, and of --help:
 * node bench/startup.mjs [--model FOLDER] [--runs 5] [--write]
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inCheckout, writeEntry, writeSection } from '../scripts/document-section.mjs';
import { machine, machineLine, median, requireQuiet, timed } from './machine.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    runs: { type: 'string', default: '5' },
    cli: { type: 'string', default: inCheckout('dist/cli.js') },
    write: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const prompt = 'a red apple, flat';

/** Milliseconds of one drawing process, its pictures counted and deleted. */
async function draw(num) {
  const folder = mkdtempSync(join(tmpdir(), 'maliang-bench-'));
  try {
    const model = values.model ? ['--model', values.model] : [];
    const args = [values.cli, prompt, '--seed', '1', '--num', `${num}`, '--out', folder, ...model];
    const { ms } = await timed(process.execPath, args);
    const made = readdirSync(folder).filter((name) => name.endsWith('.png')).length;
    if (made !== num) throw new Error(`bench: expected ${num} pictures, got ${made}.`);
    return ms;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await requireQuiet(values.write);
const measured = { help: [], one: [], five: [] };
await draw(1); // fills the page cache
for (let run = 0; run < runs; run++) {
  measured.help.push((await timed(process.execPath, [values.cli, '--help'])).ms);
  measured.one.push(await draw(1));
  measured.five.push(await draw(5));
}
const furthers = measured.five.map((ms, run) => (ms - measured.one[run]) / 4);
const rows = [
  ['process start to PNG', 'maliang "a red apple, flat" --seed 1', measured.one, 5],
  ['each further picture', 'the same with --num 5, less the first, by 4', furthers, 1.5],
  ['help', 'node dist/cli.js --help', measured.help, 0.3],
].map(([what, command, times, most]) => ({
  what,
  command,
  seconds: median(times) / 1000,
  all: times.map((ms) => Math.round(ms)),
  most,
}));
const text = [
  `${machineLine(machine())} Medians of ${runs} runs.`,
  '',
  '| what | how | median, s | at most, s |',
  '|---|---|---|---|',
  ...rows.map(
    ({ what, command, seconds, most }) =>
      `| ${what} | \`${command}\` | ${seconds.toFixed(2)} | ${most} |`,
  ),
].join('\n');
process.stdout.write(`${text}\n`);
if (values.write) {
  await writeEntry('docs/performance.json', 'startup', { machine: machine(), runs, rows });
  await writeSection('docs/performance.md', 'startup', text);
}
