/** @file docs/support.md is what the tables give; `-u` writes it anew. */
import { expect, test } from 'vitest';
import { supportTable } from '../scripts/support-table.js';

test('docs/support.md is up to date', async () => {
  await expect(supportTable()).toMatchFileSnapshot('../docs/support.md');
});
