/** @file A vitest reporter that writes the parity section of docs/judge.md from what the tests measured; `npm run parity:judges`. */
import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';
import { writeSection } from './document-section.mjs';

/** Classes that judge or serve judges; other cases of the parity test are left out. */
const classes = [
  'CLIPModel',
  'CLIPVisionModelWithProjection',
  'CLIPTextModelWithProjection',
  'SiglipModel',
  'BlipForImageTextRetrieval',
  'BlipForConditionalGeneration',
  'AestheticHead',
];

const number = (value) => (value === 0 ? '0' : value.toExponential(1));

function caseLine({ name, className, distance }) {
  const reference = name.includes('open-clip')
    ? 'open_clip'
    : className === 'AestheticHead'
      ? 'torch'
      : 'transformers';
  return `| ${className} | ${name} | ${reference} | ${number(distance)} |`;
}

function versions() {
  const file = new URL('../test/fixtures/judges/captions/case.json', import.meta.url);
  const told = JSON.parse(readFileSync(file, 'utf8')).made_with;
  return Object.entries(told).map(([name, version]) => `${name} ${version}`);
}

function section({ cases, judges, captions }) {
  const door = new URL('../node_modules/onnxruntime-node/package.json', import.meta.url);
  const runtime = JSON.parse(readFileSync(door, 'utf8')).version;
  const scored = judges.map(
    ({ judge, values, distance }) => `| ${judge} | ${values} | ${number(distance)} |`,
  );
  return `\`npm run parity:judges\` with onnxruntime-node ${runtime}, one thread, node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown processor'}, ${arch()};
the reference: ${versions().join(', ')}, open_clip_torch 3.3.0.

### Models

| class | case | reference | max \\|Δ\\| |
|---|---|---|---|
${cases.map(caseLine).join('\n')}

### Whole judges

Pictures and prompts in, values out: tokenizer, preparation of pictures, model and score together.

| judge | values | max \\|Δ\\| |
|---|---|---|
${scored.join('\n')}

### Captions

${captions.count} captions, greedy and with 2 to 8 beams, with prompts, length penalties and all kinds of early stopping: every
token equal. No token hangs on a difference below ${number(captions.least)} in log-probability.`;
}

export default class JudgeReporter {
  async onTestRunEnd(modules) {
    const metas = modules
      .flatMap((module) => [...module.children.allTests()])
      .map((test) => test.meta());
    const cases = metas.flatMap(({ parity }) =>
      parity && classes.includes(parity.className) ? [parity] : [],
    );
    const judges = metas.flatMap(({ judges: rows }) => rows ?? []);
    const captions = metas.find((meta) => meta.captions)?.captions;
    if (cases.length === 0 || judges.length === 0 || !captions) return;
    await writeSection('docs/judge.md', 'parity', section({ cases, judges, captions }));
  }
}
