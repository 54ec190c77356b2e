/** @file Everything that can go wrong with a picture: a clear message, an exit code, no stack, nothing half-written. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { cliFile, collect, plainEnv, startCli } from './run-cli.js';
import { expectFailure, filesIn, useScratchFolder, withoutProgress } from './scratch.js';

const scratch = useScratchFolder();
let model: ReferenceFolder;
beforeAll(() => {
  model = referenceFolder('sd1');
});
afterAll(() => model[Symbol.dispose]());

const draw = (...args: string[]) =>
  startCli(['a fox', '--seed', '7', '--steps', '2', '--model', model.path, ...args], {
    cwd: scratch(),
  });
const isEmpty = (): void => expect(filesIn(scratch())).toEqual([]);

describe('a long prompt', () => {
  it('is drawn, with a warning that says what was cut', async () => {
    const words = Array.from({ length: 5000 }, (_, i) => `word${i}`).join(' ');
    const args = [words, '--steps', '1', '--model', model.path, '--json'];
    const { exitCode, stdout, stderr } = await startCli(args, { cwd: scratch() });
    expect(exitCode).toBe(0);
    const { images, warnings } = JSON.parse(stdout);
    expect(images).toHaveLength(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^prompt: only the first \d+ tokens are read; left out: "(?:w|o|word|\d).*… and \d+ more characters"\.$/,
    );
    expect(withoutProgress(stderr)).toBe(`warning: ${warnings[0]}\n`);
    expect(filesIn(scratch())[0]!.length).toBeLessThan(80);
  });
});

it('a size the model cannot draw is a usage error', async () => {
  expectFailure(
    await draw('--size', '63x64'),
    2,
    /width: expected a multiple of \d+ pixels, up to /,
  );
  isEmpty();
});

describe('an unknown model', () => {
  it('that is nowhere', async () => {
    expectFailure(
      await startCli(['x', '--model', 'none'], { cwd: scratch() }),
      3,
      `${join(scratch(), 'none')}/model_index.json: expected a model folder with a model_index.json, got nothing there. Give a folder in the diffusers layout, or leave out --model.`,
    );
    isEmpty();
  });

  it('of a class Maliang does not run', async () => {
    mkdirSync(join(scratch(), 'm'));
    const index = { _class_name: 'FluxPipeline' };
    writeFileSync(join(scratch(), 'm/model_index.json'), JSON.stringify(index));
    const result = await startCli(['x', '--model', 'm'], { cwd: scratch() });
    expectFailure(result, 1, /FluxPipeline/);
  });
});

describe('a weight file', () => {
  /** Draws with a model whose denoiser's weights are what `spoil` leaves. */
  const spoiled = async (spoil: (file: string) => void) => {
    using broken = referenceFolder('sd1');
    spoil(join(broken.path, 'unet/diffusion_pytorch_model.safetensors'));
    return await startCli(['a fox', '--model', broken.path, '--steps', '1'], { cwd: scratch() });
  };
  const replace = (file: string, make: (file: string) => unknown): void => {
    rmSync(file);
    make(file);
  };
  const withHeader = (json: string, data = 0): Buffer => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
    return Buffer.concat([size, Buffer.from(json), Buffer.alloc(data)]);
  };
  const where =
    /^error: \S*unet\/diffusion_pytorch_model\.safetensors: .*expected .*, got .*\. [A-Z]/m;

  it.each<[string, number, (file: string) => void]>([
    ['that cannot be read', 3, (file) => replace(file, mkdirSync)],
    ['that is a link to nowhere', 3, (file) => replace(file, () => symlinkSync('nowhere', file))],
    ['of no bytes', 1, (file) => truncateSync(file, 0)],
    ['cut in its header', 1, (file) => truncateSync(file, 1000)],
    ['cut in its data', 1, (file) => truncateSync(file, readFileSync(file).length - 1)],
    ['with an endless header', 1, (file) => writeFileSync(file, Buffer.alloc(64, 0xff))],
    ['that is a pickle', 1, (file) => writeFileSync(file, Buffer.from('PK\x03\x04 pickle'))],
    [
      'whose tensors lie beyond its end',
      1,
      (file) =>
        writeFileSync(
          file,
          withHeader('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', 4),
        ),
    ],
    [
      'with names that steer the terminal',
      1,
      (file) =>
        writeFileSync(
          file,
          withHeader('{"\\u001b[2J":{"dtype":"F33","shape":[],"data_offsets":[0,4]}}', 4),
        ),
    ],
  ])('%s', async (_, exitCode, spoil) => {
    const result = await spoiled(spoil);
    expectFailure(result, exitCode, where);
    expect(result.stderr).not.toContain('\u001b');
    isEmpty();
  });

  it('of another model', async () => {
    const result = await spoiled((file) =>
      copyFileSync(join(file, '../../vae/diffusion_pytorch_model.safetensors'), file),
    );
    expectFailure(result, 1, /expected .*, got .*/);
    isEmpty();
  });
});

describe('an output folder', () => {
  it('that is a file', async () => {
    writeFileSync(join(scratch(), 'file'), 'kept');
    for (const out of ['file', 'file/deep', 'file/a.png']) {
      expectFailure(
        await draw('--out', out),
        1,
        `${join(scratch(), out)}: expected a writable folder, got ENOTDIR. Choose a folder you may write to.`,
      );
    }
    expect(readFileSync(join(scratch(), 'file'), 'utf8')).toBe('kept');
    expect(filesIn(scratch())).toEqual(['file']);
  });

  it.skipIf(!existsSync('/proc/self'))('that cannot be made', async () => {
    expectFailure(
      await draw('--out', '/proc/pictures'),
      1,
      'expected a writable folder, got ENOENT.',
    );
  });
});

describe('a full disk', () => {
  /** Runs the command in place of a shell whose process id is then its own. */
  const drawAfter = (script: string, ...args: string[]) => {
    const all = ['a fox', '--seed', '7', '--steps', '1', '--model', model.path, ...args];
    const options = { cwd: scratch(), env: plainEnv() };
    return collect(
      'bash',
      ['-c', `${script}; exec "$0" "$@"`, process.execPath, cliFile, ...all],
      options,
    );
  };
  const full = /^error: write \S+: expected free space, got ENOSPC\. Free some space/m;

  it.skipIf(!existsSync('/dev/full'))('leaves nothing behind', async () => {
    // The picture's partial file is a device without space.
    const result = await drawAfter('ln -s /dev/full ".maliang-a-fox-7.$$-0.partial"');
    expectFailure(result, 1, full);
    isEmpty();
  });

  it.skipIf(!existsSync('/dev/full'))('keeps the picture that was to be replaced', async () => {
    writeFileSync(join(scratch(), 'a.png'), 'old');
    const script = 'ln -s /dev/full "a.png.$$-0.partial"';
    expectFailure(await drawAfter(script, '--out', 'a.png'), 1, full);
    expect(filesIn(scratch())).toEqual(['a.png']);
    expect(readFileSync(join(scratch(), 'a.png'), 'utf8')).toBe('old');
  });

  it.skipIf(process.platform === 'win32')('or a limit on file sizes: the same', async () => {
    const result = await drawAfter('ulimit -f 4');
    expectFailure(result, 1, /^error: write \S+: expected a file size within the limit/m);
    isEmpty();
  });
});
