/** @file Newton-Schulz iterations as a graph: a matrix with its singular values near one (Jordan et al. 2024, Muon). */
import { elementCount, type TensorData } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';

/** A singular value s becomes a·s + b·s³ + c·s⁵, five times. */
const [a, b, c] = [3.4445, -4.775, 2.0315];
const iterations = 5;
/** Smallest norm a matrix is divided by, as in torch.optim.Muon. */
const leastNorm = 1e-7;
/** With matrices times the fourth root of c, a + b·G + c·G² of their Gram matrix is a + G·(G + b/√c). */
const scale = c ** 0.25;

/** Floating-point operations of `orthogonalized` for one matrix. */
export function orthogonalizingCost(rows: number, columns: number): number {
  const { byMatrix, byGram } = costs(rows, columns);
  return Math.min(byMatrix, byGram);
}

function costs(rows: number, columns: number): { byMatrix: number; byGram: number } {
  const [short, long] = [Math.min(rows, columns), Math.max(rows, columns)];
  const across = 4 * short ** 2 * long; // a Gram matrix, and a polynomial of it times the matrix
  const between = 2 * short ** 3; // two matrices of the short side
  return {
    byMatrix: iterations * (across + between),
    byGram: across + (4 * iterations - 3) * between,
  };
}

/** Matrices [n, rows, columns], each iterated from itself over its norm. A matrix of zeros stays so. */
export function orthogonalized(matrices: Tensor): Tensor {
  const [, rows, columns] = matrices.shape as [number, number, number];
  const norm = g.sqrt(g.sum(g.square(matrices), [1, 2], true)); // [n, 1, 1]
  const start = g.mul(matrices, g.div(scale, g.maximum(norm, leastNorm)));
  const { byMatrix, byGram } = costs(rows, columns);
  return byGram < byMatrix ? throughGram(start) : throughMatrix(start);
}

/** The plain form: Gram matrix and product anew at every iteration. */
function throughMatrix(start: Tensor): Tensor {
  let x = start;
  for (let i = 0; i < iterations; i++) {
    const step = stepOf(gramOf(x));
    x = applied(i === iterations - 1 ? g.mul(step, 1 / scale) : step, x);
  }
  return x;
}

/**
 * The same for long matrices with fewer operations: after a step P the Gram matrix G is P·G·P, so
 * the steps are multiplied up on the short side alone, and the matrix is multiplied once. Rounding
 * grows to a⁵ = 485 times that of f32 in directions the matrix hardly has, 3e-5 of a singular value.
 */
function throughGram(start: Tensor): Tensor {
  let gram = gramOf(start);
  let step = stepOf(gram);
  let product = step;
  for (let i = 1; i < iterations; i++) {
    gram = g.matmul(step, g.matmul(gram, step));
    step = stepOf(gram);
    product = g.matmul(step, product);
  }
  return applied(g.mul(product, 1 / scale), start);
}

const isWide = ({ shape: [, rows, columns] }: Tensor): boolean => rows! <= columns!;
const transposed = (x: Tensor): Tensor => g.transpose(x, [0, 2, 1]);

/** The products of the shorter side's vectors: [n, short, short]. */
function gramOf(x: Tensor): Tensor {
  return isWide(x) ? g.matmul(x, transposed(x)) : g.matmul(transposed(x), x);
}

function applied(step: Tensor, x: Tensor): Tensor {
  return isWide(x) ? g.matmul(step, x) : g.matmul(x, step);
}

/** What one iteration multiplies by. */
function stepOf(gram: Tensor): Tensor {
  const size = gram.shape[1]!;
  const shifted = g.add(gram, diagonal(b / Math.sqrt(c), size));
  return g.add(g.matmul(gram, shifted), diagonal(a, size));
}

function diagonal(value: number, size: number): Tensor {
  const shape = [size, size];
  const data = new Float32Array(elementCount(shape));
  for (let i = 0; i < size; i++) data[i * (size + 1)] = value;
  return g.constant({ dtype: 'f32', shape, data } satisfies TensorData);
}
