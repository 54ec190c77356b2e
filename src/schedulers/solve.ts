/** @file Small linear systems: Gaussian elimination with row exchange. */

/** x with rows·x = sides, in f64; NaN where the rows do not fix it. */
export function solved(rows: readonly (readonly number[])[], sides: readonly number[]): number[] {
  const count = sides.length;
  const system = rows.map((row, i) => [...row, sides[i]!]);
  for (let column = 0; column < count; column++) {
    exchange(system, column);
    const pivot = system[column]!;
    for (const row of system.slice(column + 1)) {
      const factor = row[column]! / pivot[column]!;
      for (let i = column; i <= count; i++) row[i] = row[i]! - factor * pivot[i]!;
    }
  }
  const x = new Array<number>(count).fill(0);
  for (let i = count - 1; i >= 0; i--) {
    const row = system[i]!;
    const known = x.reduce((sum, value, j) => (j > i ? sum + row[j]! * value : sum), 0);
    x[i] = (row[count]! - known) / row[i]!;
  }
  return x;
}

/** Brings the row with the largest entry of `column` up to the diagonal. */
function exchange(system: number[][], column: number): void {
  let best = column;
  for (let i = column + 1; i < system.length; i++) {
    if (Math.abs(system[i]![column]!) > Math.abs(system[best]![column]!)) best = i;
  }
  const row = system[column]!;
  system[column] = system[best]!;
  system[best] = row;
}
