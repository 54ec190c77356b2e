/**
 * @file Draws the 64 contact prompts as one PNG, eight a row, seed = number of the prompt:
 * node scripts/contact-sheet.mjs [--model FOLDER] [--out docs/images/contact-sheet.png] [--real FILE]
 */

import { dirname, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { contactPrompts } from '../dist/data/evaluation-prompts.js';
import { writeFileAtomically } from '../dist/hub/atomic-file.js';
import { TextToImage } from '../dist/index.js';
import { PictogramRetrieval } from '../dist/metrics/pictogram-retrieval.js';
import { planarPicture } from '../dist/metrics/planar-picture.js';
import { encodeSheet } from '../dist/train/sheet.js';
import { inCheckout, runEntry } from './document-section.mjs';

const help = `node scripts/contact-sheet.mjs
  --model FOLDER   model to draw with (default: the built-in one)
  --out FILE       the sheet, eight pictures a row (default docs/images/contact-sheet.png)
  --real FILE      also a sheet with the nearest training picture to the right of each picture
  --table FILE     also the list of prompts in Markdown (the kept sheets have docs/contact-sheet.md)
  --data FOLDER    built pictogram data set, for --real (default .cache/pictograms)
`;
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    out: { type: 'string', default: inCheckout('docs/images/contact-sheet.png') },
    real: { type: 'string' },
    table: { type: 'string' },
    data: { type: 'string', default: inCheckout('.cache/pictograms') },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const columns = 8;

async function drawAll() {
  const pipe = await TextToImage.fromPretrained(values.model);
  const drawn = [];
  try {
    for (const [seed, { prompt }] of contactPrompts.entries()) {
      const { images } = await pipe.generate(prompt, { seed });
      const { width, height, pixels } = images[0];
      drawn.push(planarPicture({ width, height, channels: 3, data: pixels }));
      if (drawn.length % columns === 0) process.stderr.write(`drawn ${drawn.length}\n`);
    }
    const { name, defaults } = pipe;
    return { drawn, name, defaults };
  } finally {
    await pipe.dispose();
  }
}

/** The nearest training picture of each, by the distance of docs/evaluation.md. */
function nearestReal(drawn) {
  const retrieval = PictogramRetrieval.open(values.data);
  try {
    return drawn.map((picture) => {
      const found = retrieval.closest(picture);
      return { ...found, render: retrieval.render(found.id, found.style) };
    });
  } finally {
    retrieval.close();
  }
}

function table(name, { steps, guidanceScale }, nearest) {
  const head = ['no.', 'row, column', 'prompt', 'seed'];
  if (nearest) head.push('nearest training picture', 'distance');
  const rows = contactPrompts.map(({ prompt }, at) => {
    const place = `${Math.floor(at / columns) + 1}, ${(at % columns) + 1}`;
    const cells = [at + 1, place, prompt, at];
    if (nearest) cells.push(`${nearest[at].id}, ${nearest[at].style}`);
    if (nearest) cells.push(nearest[at].distance.toFixed(2));
    return `| ${cells.join(' | ')} |`;
  });
  const image = relative(dirname(values.table), values.out).replaceAll('\\', '/');
  const real = values.real && relative(dirname(values.table), values.real).replaceAll('\\', '/');
  return [
    '# Contact sheet',
    '',
    `Model \`${name}\`, ${steps} steps, guidance ${guidanceScale}; made by \`scripts/contact-sheet.mjs\`.`,
    '',
    `![64 pictures](${image})`,
    '',
    ...(real
      ? [
          'Beside each picture its nearest training picture, for an eye on memorisation. A distance of 0',
          'is the same picture, 1 the usual distance of two unrelated ones. A model of 1,561 pictograms',
          'is meant to know them: near copies of a concept that was asked for are expected.',
          '',
          `![with the nearest training pictures](${real})`,
          '',
        ]
      : []),
    `| ${head.join(' | ')} |`,
    `|${'---|'.repeat(head.length)}`,
    ...rows,
    '',
  ].join('\n');
}

await runEntry(async () => {
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const { drawn, name, defaults } = await drawAll();
  const { size } = drawn[0];
  const pixels = drawn.map((picture) => picture.pixels);
  await writeFileAtomically(values.out, encodeSheet(pixels, size, columns));
  const nearest = values.real ? nearestReal(drawn) : undefined;
  if (nearest) {
    const pairs = pixels.flatMap((picture, at) => [picture, nearest[at].render.pixels]);
    await writeFileAtomically(values.real, encodeSheet(pairs, size, 2 * columns));
  }
  if (values.table) await writeFileAtomically(values.table, table(name, defaults, nearest));
});
