/** @file Adds up a profile of ONNX Runtime by operation, without its first run: node bench/kernel-times.mjs PROFILE.json */
import { readFileSync } from 'node:fs';

const events = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const starts = events.filter(({ name }) => name === 'model_run').map(({ ts }) => ts);
const [, second = 0] = starts.sort((a, b) => a - b);
const runs = Math.max(1, starts.length - 1);
const product = (shape) => shape.reduce((all, size) => all * size, 1);

/** FLOP of one kernel by its shapes; nothing for what only combines or moves values. */
function flopsOf({ op_name: op, input_type_shape: inputs, output_type_shape: outputs }) {
  const shapes = (list = []) => list.map((entry) => Object.values(entry)[0]);
  const [a, b] = shapes(inputs);
  const [out] = shapes(outputs);
  if (/Conv/.test(op) && b) return 2 * product(out) * product(b.slice(1));
  if (/MatMul|Gemm/.test(op) && a) return 2 * product(out) * a.at(-1);
  if (/MultiHead/.test(op) && a?.length === 3) return 4 * product(a) * b[1];
  return 0;
}

const table = new Map();
for (const { cat, name, ts, dur, args } of events) {
  if (cat !== 'Node' || !name.endsWith('_kernel_time') || ts < second) continue;
  const row = table.get(args.op_name) ?? { ms: 0, flops: 0, count: 0 };
  row.ms += dur / 1000 / runs;
  row.flops += flopsOf(args) / runs;
  row.count += 1 / runs;
  table.set(args.op_name, row);
}
process.stdout.write('operation | count | ms | GFLOP/s\n');
for (const [op, { ms, flops, count }] of [...table].sort(([, a], [, b]) => b.ms - a.ms)) {
  const rate = flops > 0 ? (flops / ms / 1e6).toFixed(0) : '';
  process.stdout.write(`${op} | ${Math.round(count)} | ${ms.toFixed(1)} | ${rate}\n`);
}
