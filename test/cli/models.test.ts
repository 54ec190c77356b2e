/** @file `maliang models` and models of a hub in other commands, against a small hub. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { etagOf, folderContent, HubServer } from '../hub/hub-server.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { captureTerminal } from './captured-terminal.js';
import { cliFile, collect, plainEnv, startCli } from './run-cli.js';
import { expectFailure, filesIn, useScratchFolder, withoutProgress } from './scratch.js';

const scratch = useScratchFolder();
const id = 'tiny/sd1';
const unetFile = 'unet/diffusion_pytorch_model.safetensors';
let reference: ReferenceFolder;
let content: Record<string, Uint8Array>;
let hub: HubServer;
let commit: string;

beforeAll(() => {
  reference = referenceFolder('sd1');
  content = {
    ...folderContent(reference.path),
    'README.md': Buffer.from('---\nlicense: "openrail"\n---\nA model.\n'),
  };
});
afterAll(() => reference[Symbol.dispose]());
beforeEach(async () => {
  hub = await HubServer.start();
  commit = hub.add(id, content);
});
afterEach(() => hub[Symbol.asyncDispose]());

const hubEnv = (extra: NodeJS.ProcessEnv = {}) =>
  plainEnv({ HF_HOME: join(scratch(), 'hf'), HF_ENDPOINT: hub.endpoint, ...extra });
const run = (
  args: string[],
  extra: NodeJS.ProcessEnv = {},
  onStart?: (child: ChildProcess) => void,
) => startCli(args, { cwd: scratch(), env: hubEnv(extra), ...(onStart ? { onStart } : {}) });
const repoFolder = () => join(scratch(), 'hf/hub/models--tiny--sd1');
const snapshot = () => join(repoFolder(), 'snapshots', commit);
const partial = () =>
  join(repoFolder(), 'blobs', `${etagOf(unetFile, content[unetFile]!)}.incomplete`);

it('pull, list, show and remove', async () => {
  const pulled = await run(['models', 'pull', id]);
  expect(pulled).toMatchObject({ exitCode: 0, stdout: `tiny/sd1 is in ${snapshot()}\n` });
  expect(withoutProgress(pulled.stderr)).toMatch(
    /^tiny\/sd1: [\d.]+ [KM]B in \d+ files, [\d.]+ [KM]B to download\n$/,
  );
  expect(await run(['models', 'pull', id])).toMatchObject({ exitCode: 0, stderr: '' });

  const listed = await run(['models', 'list']);
  expect(listed.stdout).toMatch(
    /^model +size +last used +revisions\n(builtin .*\n)?tiny\/sd1 +[\d.]+ [KM]B +\d{4}-\d\d-\d\d +main\nCache: \S+hf\/hub, [\d.]+ [KM]B in all\n$/,
  );
  const { models, cacheFolder } = JSON.parse((await run(['models', 'list', '--json'])).stdout);
  expect(cacheFolder).toBe(join(scratch(), 'hf/hub'));
  const total = new Map(
    Object.entries(content).map(([path, data]) => [etagOf(path, data), data.length]),
  );
  expect(models.at(-1)).toMatchObject({
    id,
    path: repoFolder(),
    sizeBytes: [...total.values()].reduce((sum, size) => sum + size, 0),
    revisions: [{ commit, refs: ['main'], path: snapshot() }],
  });

  const shown = await run(['models', 'show', id]);
  expect(shown.stdout).toMatch(/^class +StableDiffusionPipeline$/m);
  expect(shown.stdout).toMatch(/^licence +openrail$/m);
  expect(shown.stdout).toMatch(/^unet +UNet2DConditionModel +f32 [\d.]+ [kM] +[\d.]+ [KM]B$/m);
  expect(shown.stdout).toMatch(/^scheduler +\w+Scheduler +- +-$/m);
  const summary = JSON.parse((await run(['models', 'show', id, '--json'])).stdout);
  expect(summary).toMatchObject({ id, commit, path: snapshot(), licence: 'openrail' });

  expectFailure(
    await run(['models', 'remove', id]),
    2,
    'models remove: expected --yes, for nobody is there to be asked, got nothing. To remove it without a question: node',
  );
  const removed = await run(['models', 'remove', id, '--yes']);
  expect(removed.stdout).toMatch(/^Removed tiny\/sd1 \([\d.]+ [KM]B\)\.\n$/);
  expect(filesIn(join(scratch(), 'hf'))).toEqual(['hub/CACHEDIR.TAG']);
  expectFailure(
    await run(['models', 'remove', id, '--yes']),
    3,
    'none of that name. See `maliang models list`.',
  );
});

it('show reads folders, files and other variants, and never asks the hub', async () => {
  const folder = await run(['models', 'show', reference.path, '--json']);
  const { parts, className } = JSON.parse(folder.stdout);
  expect(className).toBe('StableDiffusionPipeline');
  const unet = parts.find(({ name }: { name: string }) => name === 'unet');
  expect(unet.dtypes.f32).toBe(unet.parameters);
  const file = await run(['models', 'show', join(reference.path, unetFile), '--json']);
  expect(JSON.parse(file.stdout).parts[0]).toMatchObject({
    parameters: unet.parameters,
    sizeBytes: unet.sizeBytes,
  });
  hub.add(id, { ...content, [unetFile.replace('.safe', '.fp16.safe')]: content[unetFile]! });
  await run(['models', 'pull', id, '--variant', 'fp16', '--quiet']);
  hub.seen.length = 0;
  expect((await run(['models', 'show', id])).stdout).toMatch(/^unet \(fp16\) +UNet2D/m);
  expectFailure(await run(['models', 'show', 'tiny/none']), 3, 'got none of that name');
  expectFailure(
    await run(['models', 'show', id, '--revision', 'v9']),
    3,
    'expected a revision in the cache, got main.',
  );
  expectFailure(await run(['models', 'show', 'nowhere']), 3, 'got nothing there');
  expect(hub.seen).toEqual([]);
});

it('pull takes a revision, a variant, --json and --quiet', async () => {
  const old = hub.add(id, { ...content, 'README.md': 'old' }, 'v1');
  const json = await run(['models', 'pull', id, '--revision', 'v1', '--json', '--yes']);
  expect(JSON.parse(json.stdout)).toMatchObject({ id, commit: old, kind: 'folder', warnings: [] });
  const quiet = await run(['models', 'pull', id, '--quiet']);
  expect(quiet).toMatchObject({ exitCode: 0, stdout: `${snapshot()}\n`, stderr: '' });
  expectFailure(
    await run(['models', 'pull', id, '--variant', 'int8']),
    3,
    'expected weights of the variant "int8", got no variants.',
  );
  expectFailure(
    await run(['models', 'pull', 'tiny/none']),
    3,
    'expected a folder or a model on the hub, got 401 RepoNotFound',
  );
  expectFailure(await run(['models', 'pull', id], { HF_HUB_OFFLINE: '1' }), 3, 'while offline');
});

describe('usage', () => {
  it.each([
    [['models'], 'models: expected one of list, show, pull, remove, got nothing.'],
    [['models', 'lst'], 'got lst. Did you mean list?'],
    [['models', 'on', 'a', 'catwalk'], 'To draw those words: node'],
    [['models', 'list', 'all'], 'models list: expected no further words, got all.'],
    [['models', 'pull'], 'models pull: expected the id or path of a model, got nothing.'],
    [['models', 'pull', 'sd1'], 'expected a model id such as owner/name, got sd1.'],
    [['models', 'remove', 'a/b', '--variant', 'fp16'], 'got --variant.'],
    [
      ['models', 'remove', 'a/b@v1', '--yes'],
      'expected a model id such as owner/name, got a/b@v1.',
    ],
    [
      ['models', 'show', 'a/b@v1', '--revision', 'v2'],
      'expected a model id such as owner/name, got a/b@v1.',
    ],
    [
      ['models', 'show', '.', '--revision', 'v1'],
      '--revision: expected a model id such as owner/name, got .',
    ],
  ])('%j', async (args, message) => {
    expectFailure(await run(args), 2, message);
  });
});

describe('where somebody can be asked', () => {
  const ask = async (args: string[], ...answers: string[]) => {
    const captured = captureTerminal({
      isTTY: true,
      env: { ...hubEnv(), CI: '1' },
      folder: scratch(),
      answers,
    });
    const exitCode = await main(args, captured.terminal);
    return { exitCode, stdout: captured.stdout(), stderr: captured.stderr() };
  };

  it('pull says the size and asks', async () => {
    const declined = await ask(['models', 'pull', id], 'n');
    expect(declined).toMatchObject({ exitCode: 130, stdout: '' });
    expect(declined.stderr).toMatch(/to download\nDownload it\? \[Y\/n\] /);
    expect(existsSync(join(snapshot(), unetFile))).toBe(false);
    expect((await ask(['models', 'pull', id], '')).exitCode).toBe(0);
    expect(existsSync(join(snapshot(), unetFile))).toBe(true);
  });

  it('remove asks, and keeps unless told to', async () => {
    await ask(['models', 'pull', id, '--yes']);
    const kept = await ask(['models', 'remove', id], '');
    expect(kept.stderr).toMatch(
      /^Remove tiny\/sd1 \(.*\) from the cache\? \[y\/N\] Nothing was removed\.\n$/,
    );
    expect(existsSync(snapshot())).toBe(true);
    expect((await ask(['models', 'remove', id], 'y')).exitCode).toBe(0);
    expect(existsSync(snapshot())).toBe(false);
  });
});

describe('drawing', () => {
  const words = ['a fox', '--steps', '1', '--seed', '7'];

  it('with an id downloads it once, and the command to draw again names it', async () => {
    const first = await run([...words, '--model', id]);
    expect(first.exitCode).toBe(0);
    expect(withoutProgress(first.stderr)).toMatch(/^tiny\/sd1: .* to download\n$/);
    expect(first.stdout).toContain(`--model ${id}\n`);
    hub.seen.length = 0;
    const json = await run([...words, '--model', `${id}@main`, '--offline', '--json']);
    expect(JSON.parse(json.stdout).images[0]).toMatchObject({ model: `${id}@main` });
    const doctor = await run(['doctor', '--model', id]);
    expect(doctor.stdout).toMatch(/^\[ok\] drawing/m);
    expect(hub.seen).toEqual([]);
    const [one, two] = filesIn(scratch()).filter((name) => name.endsWith('.png'));
    const local = await run([...words, '--model', reference.path, '--out', 'local.png']);
    expect(local.exitCode).toBe(0);
    const pixelsOf = (name: string) => readFileSync(join(scratch(), name)).subarray(-2000);
    expect(pixelsOf(one!)).toEqual(pixelsOf('local.png'));
    expect(pixelsOf(two!)).toEqual(pixelsOf('local.png'));
  });

  it('takes a revision and a variant, which the command to draw again repeats', async () => {
    hub.add(
      id,
      { ...content, [unetFile.replace('.safe', '.fp16.safe')]: content[unetFile]! },
      'v1',
    );
    const args = [...words, '--model', id, '--revision', 'v1', '--variant', 'fp16', '--yes'];
    const { exitCode, stdout, stderr } = await run(args);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`--model ${id} --revision v1 --variant fp16\n`);
    expect(stderr).toMatch(
      /^warning: tiny\/sd1: vae has no fp16 weights; its plain ones are read\.$/m,
    );
  });

  it('--offline downloads nothing', async () => {
    expectFailure(
      await run([...words, '--model', id, '--offline']),
      3,
      'hub: tiny/sd1: expected a folder of that name, or the whole model in',
    );
    expect(hub.seen).toEqual([]);
  });

  it('a folder wins over an id of the same name', async () => {
    await run(['models', 'pull', id, '--quiet']);
    mkdirSync(join(scratch(), id), { recursive: true });
    expectFailure(
      await run([...words, '--model', id]),
      3,
      `${join(scratch(), id)}/model_index.json: expected a model folder`,
    );
  });

  it('a pickle is refused by its name and by its content', async () => {
    writeFileSync(join(scratch(), 'v1.ckpt'), 'x');
    expectFailure(
      await run([...words, '--model', 'v1.ckpt']),
      1,
      'v1.ckpt: expected a safetensors file, got the name of a pickle, which can run code',
    );
  });
});

describe('two processes', () => {
  it('that pull the same model load every file once', async () => {
    hub.fail(`large/${unetFile}`, { everyMs: 150 });
    const both = await Promise.all([1, 2].map(() => run(['models', 'pull', id])));
    for (const result of both) {
      expect(result).toMatchObject({ exitCode: 0, stdout: `tiny/sd1 is in ${snapshot()}\n` });
    }
    const large = hub.seen.filter(({ host }) => host === 'files').map(({ path }) => path);
    expect(large.length).toBe(new Set(large).size);
    expect(readFileSync(join(snapshot(), unetFile)).equals(Buffer.from(content[unetFile]!))).toBe(
      true,
    );
  });

  it('one killed in the middle: the next goes on where it was', async () => {
    hub.fail(`large/${unetFile}`, { everyMs: 200 });
    const killed = await run(['models', 'pull', id], {}, async (child) => {
      while (!existsSync(partial()) || readFileSync(partial()).length < 65_536) await wait(20);
      child.kill('SIGKILL');
    });
    expect(killed.signal).toBe('SIGKILL');
    expect(readdirSync(join(scratch(), 'hf/hub/.locks/models--tiny--sd1')).length).toBeGreaterThan(
      0,
    );
    const next = await run(['models', 'pull', id]);
    expect(next).toMatchObject({ exitCode: 0, stdout: `tiny/sd1 is in ${snapshot()}\n` });
    expect(hub.fetched()).toContainEqual(expect.stringMatching(/^unet\/diff.* bytes=\d+-$/));
    expect(readFileSync(join(snapshot(), unetFile)).equals(Buffer.from(content[unetFile]!))).toBe(
      true,
    );
    // A file that was whole when its holder died is not asked for again, and its lock may stay.
    const again = await run(['models', 'pull', id]);
    expect(again).toMatchObject({ exitCode: 0, stdout: `tiny/sd1 is in ${snapshot()}\n` });
  });

  it('one stopped with Ctrl-C says that it keeps what it has', async () => {
    hub.fail(`large/${unetFile}`, { everyMs: 200 });
    const stopped = await run(['models', 'pull', id], {}, async (child) => {
      while (!existsSync(partial()) || readFileSync(partial()).length < 65_536) await wait(20);
      child.kill('SIGINT');
    });
    expect(stopped).toMatchObject({ exitCode: 130, stdout: '' });
    expect(withoutProgress(stopped.stderr)).toMatch(
      /to download\nWhat is loaded is kept; the next download goes on from there\.\nStopped\.\n$/,
    );
    expect(existsSync(partial())).toBe(true);
  });
});

it.skipIf(process.platform === 'win32')(
  'a limit on file sizes is a message, and leaves nothing cut',
  async () => {
    const script = 'ulimit -f 64; exec "$0" "$@"';
    const args = ['-c', script, process.execPath, cliFile, 'models', 'pull', id];
    const result = await collect('bash', args, { cwd: scratch(), env: hubEnv() });
    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(result.stderr).toMatch(
      /error: write \S+\.incomplete: expected a file size within the limit/,
    );
    expect(existsSync(partial())).toBe(false);
  },
);

it('speaks Chinese, and never shows a token', async () => {
  hub.repo(id).access = 'gated';
  const env = { LANG: 'zh_CN.UTF-8', HF_TOKEN: 'hf_secret_of_mine', MALIANG_DEBUG: '1' };
  const { exitCode, stderr } = await run(['models', 'pull', id], env);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^错误: 模型站点不允许此账号读取该模型。/);
  expect(stderr).toContain(`Accept its licence at ${hub.endpoint}/tiny/sd1 in your account.`);
  expect(stderr).not.toContain('secret');
  expect((await run(['models', 'list'], env)).stdout).toMatch(/^模型 +大小 +最近使用 +版本\n/);
});
