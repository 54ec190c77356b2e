/** @file Tables of text in a terminal. */
import { printable } from './printable.js';
import type { Terminal } from './terminal.js';

/** Columns as wide as their widest cell; the last one is not padded. */
export function printTable(rows: readonly (readonly string[])[], terminal: Terminal): void {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => shownWidth(row[column]!))),
  );
  for (const row of cells) {
    const padded = row.map((text, column) =>
      column === row.length - 1 ? text : text + ' '.repeat(widths[column]! - shownWidth(text)),
    );
    terminal.print(padded.join('  '));
  }
}

/** Chinese characters take two columns. */
function shownWidth(text: string): number {
  return [...text].reduce((sum, char) => sum + (/[\u2e80-\uffdc]/.test(char) ? 2 : 1), 0);
}
