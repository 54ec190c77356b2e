/** @file Keeps the layer order of src/: every import goes down, every package has one door. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { allBreaches, breaches, doors, mayImport } from './layers.js';

const src = fileURLToPath(new URL('../../src', import.meta.url));

it('src/ keeps the layer order, the doors and the names', () => {
  expect(allBreaches(src)).toEqual([]);
});

it('the table itself only points to folders before', () => {
  const order = Object.keys(mayImport);
  for (const [folder, row] of Object.entries(mayImport)) {
    for (const target of row) {
      expect(order.indexOf(target), `${folder} → ${target}`).toBeLessThan(order.indexOf(folder));
      expect(order).toContain(target);
    }
  }
  for (const place of Object.values(doors).flat()) {
    expect(order).toContain(place.split('/')[0]);
  }
});

it.each([
  [
    'nn/conv.ts',
    "import { run } from '../runtime/engine.js';",
    'nn/conv.ts: imports runtime; nn may import only core, graph',
  ],
  [
    'core/a.ts',
    "import type { Graph } from '../graph/tensor.js';",
    'core/a.ts: imports graph; core may import only nothing',
  ],
  [
    'hub/a.ts',
    "export {\n  a,\n} from '../data/a.js';",
    'hub/a.ts: imports data; hub may import only core, formats',
  ],
  [
    'graph/rewrites/a.ts',
    "await import('../../nn/scope.js');",
    'graph/rewrites/a.ts: imports nn; graph may import only core, formats',
  ],
  [
    'runtime/a.ts',
    "import * as ort from 'onnxruntime-node';",
    'runtime/a.ts: imports onnxruntime-node; its door is runtime/session.ts',
  ],
  [
    'graph/a.ts',
    "import { readFile } from 'node:fs/promises';",
    'graph/a.ts: imports node:fs/promises; its door is runtime, hub, data, train, server, cli',
  ],
  ['cli/a.ts', "import 'left-pad';", 'cli/a.ts: imports left-pad; its door is missing'],
])('refuses %s with %s', (path, source, message) => {
  expect(breaches(path, source)).toEqual([message]);
});

it('refuses a folder outside the table and allows what the table allows', () => {
  expect(breaches('extra/a.ts', '')).toHaveLength(1);
  expect(breaches('runtime/session.ts', "import * as ort from 'onnxruntime-node';")).toEqual([]);
  expect(
    breaches('nn/a.ts', "// import '../cli/a.js';\nimport { a } from '../core/a.js';"),
  ).toEqual([]);
});
