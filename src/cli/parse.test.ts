/** @file Which command, which words, which options; every option has a row. */
import { describe, expect, it } from 'vitest';
import { sayIn } from './messages.js';
import {
  commandNames,
  type OptionName,
  optionNames,
  optionTable,
  SeedShift,
} from './option-table.js';
import { parseCommandLine } from './parse.js';

const say = sayIn('en', 'maliang');
const parse = (...args: string[]) => parseCommandLine(args, say);
const complaintOf = (...args: string[]): string => {
  try {
    parse(...args);
  } catch (error) {
    expect(error).toMatchObject({ code: 'USAGE', exitCode: 2 });
    return (error as Error).message;
  }
  throw new Error(`${args.join(' ')} was accepted`);
};

/** For every option: an argument that is read, what it becomes, and one that is refused. */
const rows: { readonly [K in OptionName]: readonly [string[], unknown, string[], string] } = {
  seed: [['--seed', '7'], 7, ['--seed', '1.5'], 'a whole number from 0 to 9007199254740991'],
  num: [['--num=4'], 4, ['--num', '0'], 'a whole number from 1 to 1000'],
  'best-of': [['--best-of', '8'], 8, ['--best-of', '0'], 'a whole number from 1 to 1000'],
  keep: [['--keep', '2'], 2, ['--keep', '1.5'], 'a whole number from 1 to 1000'],
  judge: [
    ['--judge', 'clip=a/b, blip=folder,aesthetic'],
    {
      names: ['clip', 'blip-itc', 'blip-itm', 'aesthetic'],
      sources: new Map([
        ['clip', 'a/b'],
        ['blip-itc', 'folder'],
        ['blip-itm', 'folder'],
      ]),
    },
    ['--judge', 'clop'],
    'a list of clip, siglip, aesthetic, blip, blip-itc, blip-itm, each with =MODEL',
  ],
  'near-miss': [
    ['--near-miss', 'a dog', '--near-miss', 'a cat'],
    ['a dog', 'a cat'],
    ['--near-miss='],
    'some text',
  ],
  early: [['--early'], true, ['--early=yes'], 'no value'],
  sheet: [['--sheet', 'all.png'], 'all.png', ['--sheet='], 'some text'],
  captioner: [['--captioner', 'a/b'], 'a/b', ['--captioner', ''], 'some text'],
  begin: [['--begin', 'a photo of'], 'a photo of', ['--begin='], 'some text'],
  beams: [['--beams', '3'], 3, ['--beams', '17'], 'a whole number from 1 to 16'],
  steps: [['--steps', '30'], 30, ['--steps', '1e2'], 'a whole number from 1 to 1000'],
  guidance: [['--guidance', '4.5'], 4.5, ['--guidance', '-1'], 'a number from 0 to 100'],
  negative: [['--negative', '-blurry'], '-blurry', ['--negative', '--num'], 'a value'],
  size: [['--size', '96x128'], { width: 96, height: 128 }, ['--size', '4'], 'a size such as'],
  init: [['--init', 'a.png'], 'a.png', ['--init', ''], 'some text'],
  strength: [['--strength', '.5'], 0.5, ['--strength', '1.1'], 'a number from 0 to 1'],
  mask: [['--mask', 'alpha'], 'alpha', ['--mask='], 'some text'],
  'mask-blur': [['--mask-blur', '4'], 4, ['--mask-blur', 'x'], 'a number from 0 to 1000'],
  'only-masked': [['--only-masked', '32'], 32, ['--only-masked', '1.5'], 'a whole number from 0'],
  vary: [['--vary', 'a.png'], 'a.png', ['--vary'], 'a value'],
  'variation-seed': [['--variation-seed', '7'], 7, ['--variation-seed', '-1'], 'a whole number'],
  'variation-strength': [
    ['--variation-strength', '0.2'],
    0.2,
    ['--variation-strength', '2'],
    'a number from 0 to 1',
  ],
  sampler: [['--sampler', 'DDIM'], 'DDIM', ['--sampler='], 'some text'],
  schedule: [['--schedule', 'karras'], 'karras', ['--schedule'], 'a value'],
  'clip-skip': [['--clip-skip', '1'], 1, ['--clip-skip', '0.5'], 'a whole number from 0'],
  'guidance-rescale': [
    ['--guidance-rescale', '0.7'],
    0.7,
    ['--guidance-rescale', '7'],
    'a number from 0 to 1',
  ],
  syntax: [['--syntax', 'plain'], 'plain', ['--syntax', 'comfy'], 'one of a1111, plain'],
  noise: [['--noise', 'CUDA'], 'cuda', ['--noise', 'gpu'], 'one of cpu, cuda'],
  device: [['--device', 'webgpu'], 'webgpu', ['--device', 'gpu'], 'one of cpu, cuda, webgpu'],
  tile: [['--tile', 'Always'], 'always', ['--tile', 'yes'], 'one of auto, never, always'],
  'low-memory': [['--low-memory'], true, ['--low-memory=no'], 'no value'],
  precision: [['--precision', 'int8'], 'int8', ['--precision', 'f16'], 'one of f32, int8'],
  fast: [['--fast'], true, ['--fast=2'], 'no value'],
  'preview-decoder': [['--preview-decoder', 'd'], 'd', ['--preview-decoder='], 'some text'],
  revision: [['--revision', 'v1'], 'v1', ['--revision', ''], 'some text'],
  variant: [['--variant', 'fp16'], 'fp16', ['--variant', 'a/b'], 'a variant such as fp16'],
  offline: [['--offline'], true, ['--offline=no'], 'no value'],
  yes: [['--yes'], true, ['--yes=1'], 'no value'],
  model: [['--model', 'a b'], 'a b', ['--model='], 'some text'],
  vae: [['--vae', 'v'], 'v', ['--vae='], 'some text'],
  lora: [
    ['--lora', 'C:/a.safetensors:0.8', '--lora=b:-1', '--lora', 'c'],
    [
      { path: 'C:/a.safetensors', weight: 0.8 },
      { path: 'b', weight: -1 },
      { path: 'c', weight: 1 },
    ],
    ['--lora='],
    'a file, and a weight after a colon',
  ],
  embedding: [['--embedding', 'a', '--embedding', 'b'], ['a', 'b'], ['--embedding='], 'some text'],
  prediction: [['--prediction', 'sample'], 'sample', ['--prediction', 'v'], 'one of epsilon'],
  real: [['--real', 'a'], 'a', ['--real='], 'some text'],
  fake: [['--fake', 'b'], 'b', ['--fake'], 'a value'],
  features: [['--features', 'i.safetensors'], 'i.safetensors', ['--features='], 'some text'],
  metrics: [['--metrics', 'FID, kid'], ['fid', 'kid'], ['--metrics', 'fid,fid'], 'a list of fid'],
  resize: [['--resize', 'legacy'], 'legacy', ['--resize', 'pil'], 'one of clean, legacy, clip'],
  prompts: [['--prompts', 'p.txt'], 'p.txt', ['--prompts='], 'some text'],
  bootstrap: [['--bootstrap', '0'], 0, ['--bootstrap', '-1'], 'a whole number from 0 to 100000'],
  batch: [['--batch', '8'], 8, ['--batch', '0'], 'a whole number from 1 to 1024'],
  config: [['--config', 'c.json'], 'c.json', ['--config'], 'a value'],
  resume: [['--resume'], true, ['--resume=yes'], 'no value'],
  out: [['--out', 'a.png'], 'a.png', ['--out', ''], 'some text'],
  format: [['--format', 'WebP'], 'webp', ['--format', 'gif'], 'one of png, jpeg, webp'],
  quality: [['--quality', '80'], 80, ['--quality', '101'], 'a whole number from 1 to 100, or'],
  metadata: [['--metadata', 'mark'], 'mark', ['--metadata', 'none'], 'one of full, minimal, mark'],
  alt: [['--alt', 'an apple'], 'an apple', ['--alt='], 'some text'],
  threads: [['--threads', '2'], 2, ['--threads', '0'], 'a whole number from 1 to 1024'],
  json: [['--json'], true, ['--json=1'], 'no value'],
  quiet: [['--quiet'], true, ['--quiet='], 'no value'],
  help: [['-h'], true, ['--help=no'], 'no value'],
  version: [['-v'], true, ['--version=2'], 'no value'],
};

describe.each(optionNames)('--%s', (name) => {
  const [accepted, value, refused, expected] = rows[name];
  const command = optionTable[name].commands[0]!;

  it('is read', () => {
    expect(parse(command, 'x', ...accepted).values).toEqual({ [name]: value });
  });

  it('refuses what it cannot be', () => {
    expect(complaintOf(command, 'x', ...refused)).toContain(`--${name}: expected ${expected}`);
  });

  it('is refused twice unless it makes a list, and by commands it does not belong to', () => {
    if (!('isRepeatable' in optionTable[name])) {
      expect(complaintOf(command, ...accepted, ...accepted)).toBe(
        `--${name}: expected the option once, got it twice. See \`maliang --help\`.`,
      );
    }
    const stranger = commandNames.find(
      (other) => !(optionTable[name].commands as readonly string[]).includes(other),
    );
    if (stranger) {
      expect(complaintOf(stranger, ...accepted)).toBe(
        `maliang ${stranger}: expected an option of \`maliang ${stranger}\`, got --${name}. ` +
          `--${name} belongs to \`maliang ${command}\`.`,
      );
    }
  });
});

it('a size is a square unless it has two sides', () => {
  expect(parse('x', '--size', '64').values.size).toEqual({ width: 64, height: 64 });
  expect(complaintOf('x', '--size', '64x5000')).toContain('sides from 8 to 4096, got "64x5000"');
});

it('a seed may be shifted, a quality be lossless', () => {
  expect(parse('again', 'a.png', '--seed', '+1').values.seed).toEqual(new SeedShift(1));
  expect(parse('again', 'a.png', '--seed=-12').values.seed).toEqual(new SeedShift(-12));
  expect(complaintOf('again', 'a.png', '--seed', '+1.5')).toContain('a whole number from 0');
  expect(parse('x', '--quality', 'Lossless').values.quality).toBe('lossless');
});

it.each([
  [['a red apple'], 'generate', ['a red apple']],
  [['a', 'red', 'apple'], 'generate', ['a', 'red', 'apple']],
  [['generate', 'a', 'fox'], 'generate', ['a', 'fox']],
  [['--seed', '3', 'generate', 'a fox'], 'generate', ['a fox']],
  [['--', 'doctor'], 'generate', ['doctor']],
  [['--', '--help'], 'generate', ['--help']],
  [['generate', '--', '-x', '--seed'], 'generate', ['-x', '--seed']],
  [['a', '--', '-b'], 'generate', ['a', '-b']],
  [['doctor who'], 'generate', ['doctor who']],
  [['genrate', 'a', 'cat'], 'generate', ['genrate', 'a', 'cat']],
  [['help', 'me', 'draw'], 'generate', ['help', 'me', 'draw']],
  [['苹果'], 'generate', ['苹果']],
  [['doctor'], 'doctor', []],
  [['train', 'clip'], 'train', ['clip']],
  [['info', 'a.png'], 'info', ['a.png']],
  [['again', 'a.png'], 'again', ['a.png']],
  [[''], 'generate', ['']],
])('%j is %s %j', (args, command, words) => {
  expect(parse(...args)).toMatchObject({ command, words });
});

it('help can be asked for in words', () => {
  expect(parse('help')).toMatchObject({ isNamed: false, values: { help: true } });
  expect(parse('help', 'train')).toMatchObject({ command: 'train', values: { help: true } });
  expect(parse('--', 'help')).toMatchObject({ words: ['help'], values: {} });
});

it.each([
  ['genrate', 'generate'],
  ['docter', 'doctor'],
  ['doktor', 'doctor'],
  ['Doctor', 'doctor'],
  ['trian', 'train'],
])('%s alone is nearly a command', (word, command) => {
  expect(complaintOf(word)).toBe(
    `maliang: expected a command or a prompt, got ${word}. ` +
      `Did you mean \`maliang ${command}\`? To draw the word: maliang -- ${word}`,
  );
  expect(parse('--', word).words).toEqual([word]);
});

it.each(['apple', 'tram', 'door', 'terrain', 'generations'])('%s alone is a prompt', (word) => {
  expect(parse(word).words).toEqual([word]);
});

it.each([
  [['x', '--sed', '3'], '--sed', 'Did you mean --seed?'],
  [['x', '-seed', '3'], '-seed', 'Did you mean --seed?'],
  [['x', '--gudance=2'], '--gudance', 'Did you mean --guidance?'],
  [
    ['--frobnicate'],
    '--frobnicate',
    'See `maliang --help`. To draw those words: maliang -- --frobnicate',
  ],
  [['-x'], '-x', 'See `maliang --help`. To draw those words: maliang -- -x'],
  [
    ['x', '--toString'],
    '--toString',
    'See `maliang --help`. To draw those words: maliang -- --toString',
  ],
])('%j is an unknown option', (args, got, next) => {
  expect(complaintOf(...args)).toBe(`maliang: expected a known option, got ${got}. ${next}`);
});

it('what was typed is shown cut and without control characters', () => {
  expect(complaintOf('x', `--\u001b[31m${'a'.repeat(200)}`)).toMatch(
    /^maliang: expected a known option, got --\\x1b\[31ma{73}…\./,
  );
});
