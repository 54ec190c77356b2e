/** @file Where the time of a training step goes, from a profile of ONNX Runtime. */
import { readFileSync } from 'node:fs';

const kinds = [
  ['convolution', /^(Conv|FusedConv|ConvTranspose)$/],
  ['matrix product', /(MatMul|Gemm|Attention|Einsum)/],
  ['normalisation, softmax, sums', /(Norm|Softmax|^Reduce|CumSum)/],
  [
    'moving values',
    /^(Transpose|Reorder|Reshape|Concat|Slice|Split|Pad|Gather|Scatter|Expand|Resize|Tile|Squeeze|Unsqueeze|Identity|Upsample|Flatten|Cast)/,
  ],
];

/** The kind of an operation; what is in no list is elementwise. */
export function kindOf(operation) {
  return kinds.find(([, pattern]) => pattern.test(operation))?.[0] ?? 'elementwise';
}

/** Milliseconds by kind and by operation of one run, the first run left out. */
export function readProfile(path, runs) {
  const events = JSON.parse(readFileSync(path, 'utf8'));
  const starts = events.filter(({ name }) => name === 'model_run').map(({ ts }) => ts);
  const second = starts.sort((a, b) => a - b)[1] ?? 0;
  const [byKind, byOperation] = [new Map(), new Map()];
  const add = (map, key, ms) => map.set(key, (map.get(key) ?? 0) + ms / (runs - 1));
  for (const { cat, name, dur, ts, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || ts < second) continue;
    add(byKind, kindOf(args.op_name), dur / 1000);
    add(byOperation, args.op_name, dur / 1000);
  }
  const sorted = (map) => Object.fromEntries([...map].sort(([, a], [, b]) => b - a));
  return { byKind: sorted(byKind), byOperation: sorted(byOperation) };
}
