/** @file The sum of a matrix's singular values: Householder bidiagonalisation (Golub and Kahan 1965), then implicit QL of the Golub-Kahan tridiagonal matrix. */

/** A dense row-major matrix of doubles. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns]. */
  readonly data: Float64Array;
}

/** Σ σᵢ, to about `columns` · 2⁻⁵² of the largest σ. Overwrites `matrix`. */
export function nuclearNorm(matrix: Matrix): number {
  const tall = matrix.rows >= matrix.columns ? matrix : transposed(matrix);
  if (tall.columns === 0) return 0;
  const values = tridiagonalEigenvalues(bidiagonalise(tall));
  // Each σ comes as the pair ±σ.
  return values.reduce((sum, value) => sum + Math.abs(value), 0) / 2;
}

function transposed({ rows, columns, data }: Matrix): Matrix {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  }
  return { rows: columns, columns: rows, data: out };
}

/**
 * Reduces a tall matrix to bidiagonal form; gives d₀, e₀, d₁, e₁, …, dₙ₋₁. Each step passes over the
 * rows once: it applies the reflections of step k to a row and adds the row to what the next left
 * reflection needs.
 */
function bidiagonalise({ rows, columns, data }: Matrix): Float64Array {
  const band = new Float64Array(2 * columns - 1);
  /** columnᵀ·A of the column to be reflected next. */
  let gram = new Float64Array(columns);
  for (let i = 0; i < rows; i++) addScaled(gram, data, i * columns, 0, data[i * columns]!);
  for (let k = 0; k < columns; k++) {
    const top = k * columns;
    const pivot = data[top + k]!;
    const norm = Math.sqrt(Math.max(gram[k]!, 0));
    const alpha = pivot > 0 ? -norm : norm;
    band[2 * k] = alpha;
    if (k === columns - 1 && rows === columns) {
      band[2 * k] = pivot;
      break;
    }
    // v = column − α·e₁, and A ← A − v·(vᵀA)·2/(vᵀv), where vᵀv = 2·norm·(norm + |pivot|).
    const leftScale = norm === 0 ? 0 : 1 / (norm * (norm + Math.abs(pivot)));
    for (let j = k + 1; j < columns; j++) {
      gram[j] = (gram[j]! - alpha * data[top + j]!) * leftScale;
      data[top + j]! -= (pivot - alpha) * gram[j]!;
    }
    const right = rightReflection(data, top, k + 1, columns);
    if (k + 1 < columns) band[2 * k + 1] = right.alpha;
    const next = new Float64Array(columns);
    for (let i = k + 1; i < rows; i++) {
      const row = i * columns;
      reflectRow(data, row, { k, left: gram, leftFactor: data[row + k]!, right });
      addScaled(next, data, row, k + 1, data[row + k + 1]!);
    }
    gram = next;
  }
  return band;
}

interface RightReflection {
  /** The first element after the reflection. */
  readonly alpha: number;
  /** 2/(uᵀu); 0 when there is nothing to reflect. */
  readonly scale: number;
  readonly u: Float64Array;
}

/** The reflection that clears row k right of its first super-diagonal element. */
function rightReflection(
  data: Float64Array,
  top: number,
  from: number,
  columns: number,
): RightReflection {
  const u = new Float64Array(columns);
  let square = 0;
  for (let j = from; j < columns; j++) {
    const value = data[top + j]!;
    u[j] = value;
    square += value * value;
  }
  const norm = Math.sqrt(square);
  const first = u[from] ?? 0;
  const alpha = first > 0 ? -norm : norm;
  if (norm === 0) return { alpha: 0, scale: 0, u };
  u[from] = first - alpha;
  return { alpha, scale: 1 / (norm * (norm + Math.abs(first))), u };
}

/** One row through both reflections of step k. */
function reflectRow(
  data: Float64Array,
  row: number,
  step: {
    readonly k: number;
    readonly left: Float64Array;
    readonly leftFactor: number;
    readonly right: RightReflection;
  },
): void {
  const { k, left, leftFactor, right } = step;
  const { u, scale } = right;
  const columns = u.length;
  let dot = 0;
  for (let j = k + 1; j < columns; j++) {
    const value = data[row + j]! - leftFactor * left[j]!;
    data[row + j] = value;
    dot += value * u[j]!;
  }
  const factor = dot * scale;
  if (factor !== 0) for (let j = k + 1; j < columns; j++) data[row + j]! -= factor * u[j]!;
}

/** target += factor · row, from column `from` on. */
function addScaled(
  target: Float64Array,
  data: Float64Array,
  row: number,
  from: number,
  factor: number,
): void {
  for (let j = from; j < target.length; j++) target[j]! += factor * data[row + j]!;
}

/**
 * Eigenvalues of the symmetric tridiagonal matrix with zero diagonal and the given off-diagonal, by
 * QL with implicit shifts (Wilkinson and Reinsch 1971). Off-diagonals below 2⁻⁵² of the matrix's
 * norm count as zero.
 */
function tridiagonalEigenvalues(offDiagonal: Float64Array): Float64Array {
  const n = offDiagonal.length + 1;
  const d = new Float64Array(n);
  const e = new Float64Array(n);
  e.set(offDiagonal);
  const norm = offDiagonal.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const negligible = norm * Number.EPSILON;
  for (let low = 0; low < n; low++) {
    for (;;) {
      let high = low;
      while (high < n - 1 && Math.abs(e[high]!) > negligible) high++;
      if (high === low) break;
      qlSweep(d, e, low, high);
    }
  }
  return d;
}

/** One implicit QL sweep of rows `low` to `high`, shifted towards the eigenvalue at `low`. */
function qlSweep(d: Float64Array, e: Float64Array, low: number, high: number): void {
  const slope = (d[low + 1]! - d[low]!) / (2 * e[low]!);
  const root = Math.sqrt(slope * slope + 1);
  let g = d[high]! - d[low]! + e[low]! / (slope + (slope < 0 ? -root : root));
  let [s, c, p] = [1, 1, 0];
  for (let i = high - 1; i >= low; i--) {
    const f = s * e[i]!;
    const b = c * e[i]!;
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= p;
      e[high] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1]! - p;
    const t = (d[i]! - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
  }
  d[low]! -= p;
  e[low] = g;
  e[high] = 0;
}
