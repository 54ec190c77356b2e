/** @file The operation table: rows for every operation, which all checks of operations run over. */
import type { OpCase } from './case.js';
import { elementwiseCases } from './cases/elementwise.js';
import { halfCases } from './cases/half.js';
import { layoutCases } from './cases/layout.js';
import { linearCases } from './cases/linear.js';
import { pictureCases } from './cases/picture.js';
import { reduceCases } from './cases/reduce.js';

export const opCases: readonly OpCase[] = [
  ...elementwiseCases,
  ...reduceCases,
  ...linearCases,
  ...layoutCases,
  ...pictureCases,
  ...halfCases,
];
