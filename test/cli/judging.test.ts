/** @file `--best-of`, `maliang rank` and `maliang caption`: what they keep, print and refuse. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { caption } from '../../src/cli/caption.js';
import { generate } from '../../src/cli/generate.js';
import { Interruption } from '../../src/cli/interruption.js';
import type { Command } from '../../src/cli/main.js';
import { sayIn } from '../../src/cli/messages.js';
import { parseCommandLine } from '../../src/cli/parse.js';
import { rank } from '../../src/cli/rank.js';
import { decodeImage } from '../../src/formats/image.js';
import { encodePng, readPngText } from '../../src/formats/png.js';
import { type CaptionCase, judgeFolder, readJudgeCase, unpackPicture } from '../judge-folder.js';
import { captureTerminal } from './captured-terminal.js';
import { filesIn, useScratchFolder } from './scratch.js';

const scratch = useScratchFolder();
const commands: Readonly<Record<string, Command>> = { generate, rank, caption };

async function run(...args: readonly string[]) {
  const { terminal, stdout, stderr } = captureTerminal({ folder: scratch() });
  using interruption = new Interruption(terminal);
  const invocation = parseCommandLine(args, sayIn('en', 'maliang'));
  const exitCode = await commands[invocation.command]!(invocation, terminal, interruption);
  expect(exitCode).toBe(0);
  return { stdout: stdout(), stderr: stderr() };
}

const json = async (...args: readonly string[]) =>
  JSON.parse((await run(...args, '--json')).stdout);

/** A plain picture with one bright column. */
function pictureFile(name: string, shade: number): string {
  const data = new Uint8Array(24 * 24 * 3).fill(shade);
  for (let y = 0; y < 24; y++) data.fill(255 - shade, (y * 24 + 5) * 3, (y * 24 + 8) * 3);
  writeFileSync(join(scratch(), name), encodePng({ width: 24, height: 24, channels: 3, data }));
  return name;
}

const draw = ['a fox', '--steps', '3', '--seed', '7', '--size', '64'] as const;

describe('--best-of', () => {
  it('keeps the best, reports all, and draws the sheet', async () => {
    const told = await json(...draw, '--best-of', '3', '--keep', '2', '--sheet', 'all.png');
    const { images, ranking, warnings } = told;
    expect(warnings).toEqual([]);
    const places = ranking.candidates.map(({ rank: place, kept }: Record<string, unknown>) => [
      place,
      kept,
    ]);
    expect(places).toEqual([
      [1, true],
      [2, true],
      [3, false],
    ]);
    const seeds = ranking.candidates.map(({ seed }: { seed: number }) => seed);
    expect([...seeds].sort()).toEqual([7, 8, 9]);
    expect(images.map(({ seed }: { seed: number }) => seed)).toEqual(seeds.slice(0, 2));
    expect(ranking.judges).toMatchObject([{ judge: 'clip', model: 'builtin' }]);
    const values = ranking.candidates.map(
      ({ scores }: { scores: { clip: { cosine: number } } }) => scores.clip.cosine,
    );
    expect(values).toEqual([...values].sort((a, b) => b - a));
    const kept = seeds.slice(0, 2).map((seed: number) => `maliang-a-fox-${seed}.png`);
    expect(filesIn(scratch())).toEqual(['all.png', ...kept].sort());
    const alone = await json(
      'a fox',
      '--steps',
      '3',
      '--seed',
      `${seeds[0]}`,
      '--size',
      '64',
      '--out',
      'alone.png',
    );
    const [best, again] = await Promise.all(
      [images[0].path, alone.images[0].path].map((path: string) =>
        decodeImage(readFileSync(path), { channels: 3 }),
      ),
    );
    expect(again!.data).toEqual(best!.data);
    const sheet = await decodeImage(readFileSync(join(scratch(), 'all.png')), { channels: 3 });
    expect(sheet.width).toBe(4 + 2 * 68);
  });

  it('prints a table, and gives up the weaker half early', async () => {
    const { stdout } = await run(...draw, '--best-of', '4', '--early', '--near-miss', 'a dog');
    const rows = stdout.split('\n').slice(0, 5);
    expect(rows[0]).toMatch(/^rank {2}seed {2}clip {4}combined/);
    expect(rows[1]).toMatch(/ kept$/);
    expect(rows.slice(3).every((row) => row.endsWith('given up after step 2'))).toBe(true);
    expect(stdout).toMatch(
      /\nmaliang-a-fox-\d+\.png\nseed \d+\nagain: maliang 'a fox' --seed \d+ --steps 3 --size 64x64\n$/,
    );
  });

  it('is judged by several, each with its model', async () => {
    using clip = judgeFolder('clip');
    using blip = judgeFolder('blip');
    const judges = `clip=${clip.path},blip=${blip.path}`;
    const { ranking } = await json(...draw, '--best-of', '2', '--judge', judges);
    expect(ranking.judges.map(({ judge }: { judge: string }) => judge)).toEqual([
      'clip',
      'blip-itc',
      'blip-itm',
    ]);
    expect(ranking.candidates[0].scores).toEqual({
      clip: { cosine: expect.any(Number) },
      blip: { itc: expect.any(Number), itm: expect.any(Number) },
    });
  });

  it.each([
    [['--keep', '2'], '--keep: expected --best-of beside it'],
    [['--sheet', 'a.png'], '--sheet: expected --best-of beside it'],
    [['--best-of', '2', '--keep', '3'], '--keep: expected at most --best-of, which is 2, got 3'],
    [['--best-of', '2', '--num', '3'], '--num: expected no --num beside --best-of, got 3'],
    [['--best-of', '3', '--keep', '2', '--out', 'a.png'], '--out: expected a folder'],
    [
      ['--best-of', '2', '--judge', 'aesthetic=x'],
      '--judge: expected clip=MODEL and aesthetic=HEAD',
    ],
    [['--best-of', '2', '--judge', 'siglip'], 'judge siglip: expected the folder or id'],
  ])('refuses %j', async (args, message) => {
    await expect(run(...draw, ...args)).rejects.toThrow(message);
    expect(filesIn(scratch())).toEqual([]);
  });
});

describe('rank', () => {
  it('ranks files and folders, and names what it cannot read', async () => {
    mkdirSync(join(scratch(), 'more'));
    const names = [pictureFile('a.png', 20), pictureFile('more/b.png', 200)];
    writeFileSync(join(scratch(), 'more', 'broken.png'), 'nothing');
    const { ranking, warnings } = await json('rank', 'a red apple', 'a.png', 'more', 'gone.png');
    expect(ranking.map(({ rank: place }: { rank: number }) => place)).toEqual([1, 2]);
    const paths = ranking.map(({ path }: { path: string }) => path);
    expect([...paths].sort()).toEqual(names.map((name) => join(scratch(), name)));
    expect(ranking[0].scores).toEqual({ clip: { cosine: expect.any(Number) } });
    expect(ranking[0].scores.clip.cosine).toBeGreaterThanOrEqual(ranking[1].scores.clip.cosine);
    expect(warnings).toEqual([
      expect.stringMatching(/broken\.png: .* It is left out\.$/),
      expect.stringMatching(/gone\.png: .* It is left out\.$/),
    ]);
  });

  it('names the file of a note once', async () => {
    const path = join(scratch(), 'moving.webp');
    const frames = Uint8Array.from({ length: 16 * 32 * 3 }, (_, i) => i % 251); // two of 16×16
    const raw = { width: 16, height: 32, channels: 3, pageHeight: 16 } as const;
    writeFileSync(path, await sharp(frames, { raw }).webp({ loop: 0 }).toBuffer());
    const { warnings } = await json('rank', 'a red apple', 'moving.webp');
    expect(warnings).toEqual([`${path}: the first of 2 frames is read.`]);
  });

  it('prints a table', async () => {
    pictureFile('a.png', 20);
    const { stdout, stderr } = await run('rank', 'a red apple', 'a.png');
    expect(stdout).toMatch(/^rank {2}clip +combined {2}file\n1 +-?\d\.\d{4} +0\.00 +a\.png\n$/);
    expect(stderr).toBe('');
  });

  it('says the end of a prompt that is not read', async () => {
    pictureFile('a.png', 20);
    const { warnings } = await json('rank', 'word '.repeat(300), 'a.png');
    expect(warnings).toEqual([expect.stringContaining('its end is not read')]);
  });

  it('gives margins over near misses beside the values', async () => {
    pictureFile('a.png', 20);
    const { ranking } = await json('rank', 'a red apple', 'a.png', '--near-miss', 'a green apple');
    expect(ranking[0].scores.clip).toEqual({
      cosine: expect.any(Number),
      cosineMargin: expect.any(Number),
    });
  });

  it.each([
    [['rank'], 'maliang rank: expected a prompt, then picture files or folders, got nothing'],
    [['rank', 'a fox'], 'maliang rank: expected a prompt, then picture files or folders'],
    [['rank', '', 'a.png'], 'maliang rank: expected a prompt'],
    [['rank', '\u200b', 'a.png'], 'got "\\u{200b} a.png"'],
    [['rank', 'a fox', 'gone.png'], 'rank: expected pictures, got none that can be read of 1'],
  ])('refuses %j', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });
});

describe('captions', () => {
  const { pictures, captions } = readJudgeCase<CaptionCase>('captions');
  const plain = captions.find(({ settings }) => Object.keys(settings).length === 0) ?? captions[0]!;

  function captionedFile(): void {
    const { width, height, data } = unpackPicture(pictures[plain.picture]!);
    const png = encodePng({ width, height, channels: 3, data });
    writeFileSync(join(scratch(), 'seen.png'), png);
  }

  it('say what files show', async () => {
    using model = judgeFolder('captions');
    captionedFile();
    writeFileSync(join(scratch(), 'broken.png'), '');
    const settings = plain.settings as { num_beams?: number; prompt?: string };
    const beams = settings.num_beams === undefined ? [] : ['--beams', `${settings.num_beams}`];
    const begin = settings.prompt === undefined ? [] : ['--begin', settings.prompt];
    const args = ['--captioner', model.path, ...beams, ...begin];
    const told = await json('caption', 'seen.png', 'broken.png', ...args);
    expect(told.captions).toEqual([{ path: join(scratch(), 'seen.png'), caption: plain.text }]);
    expect(told.warnings).toEqual([expect.stringMatching(/broken\.png: .* It is left out\.$/)]);
    const { stdout } = await run('caption', 'seen.png', ...args);
    expect(stdout).toBe(`seen.png: ${plain.text}\n`);
    const two = await json('caption', 'seen.png', ...args, '--beams', '2', '--begin', 'a');
    expect(two.captions[0].caption).toMatch(/^a\b/);
  });

  it('become the alt text of what is drawn', async () => {
    using model = judgeFolder('captions');
    const { images } = await json(...draw, '--captioner', model.path, '--out', 'a.png');
    expect(images[0].altText.source).toBe('caption');
    expect(images[0].altText.description).toContain(
      `A captioning model sees: ${images[0].altText.alt}`,
    );
    const texts = readPngText(readFileSync(join(scratch(), 'a.png')));
    expect(texts.find(({ keyword }) => keyword === 'AltText')?.text).toBe(images[0].altText.alt);
    const own = await json(...draw, '--captioner', model.path, '--out', 'b.png', '--alt', 'my fox');
    expect(own.images[0].altText).toMatchObject({ alt: 'my fox', source: 'given' });
    using blip = judgeFolder('blip');
    const best = ['--best-of', '2', '--judge', `clip,blip=${blip.path}`, '--out', 'c.png'];
    const sure = await json(...draw, ...best, '--captioner', model.path);
    expect(sure.images[0].altText.description).toMatch(/ \(match \d+ %\)\.$/);
  });

  it('need files and a model', async () => {
    await expect(run('caption')).rejects.toThrow(
      'maliang caption: expected picture files or folders',
    );
    await expect(run('caption', 'a.png')).rejects.toThrow('expected --captioner MODEL');
    using model = judgeFolder('captions');
    await expect(run('caption', 'gone.png', '--captioner', model.path)).rejects.toThrow(
      'caption: expected picture files or folders, got 1 files none of which can be read',
    );
  });
});
