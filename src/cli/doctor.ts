/** @file `maliang doctor`: what drawing needs, checked one by one, each with a cure. */
import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MaliangError } from '../core/errors.js';
import { buildCommand, readPictogramIndex } from '../data/pictogram-index.js';
import { Engine } from '../runtime/engine.js';
import type { Interruption } from './interruption.js';
import { languageOf, type MessageKey, type Say } from './messages.js';
import { checkModelFiles, sumsFile } from './model-files.js';
import type { Invocation } from './parse.js';
import { previewKind } from './preview.js';
import { printable } from './printable.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

type State = 'ok' | 'note' | 'broken';

interface Finding {
  readonly state: State;
  readonly text: string;
}

type Check = (terminal: Terminal) => Finding | Promise<Finding>;
type CheckName = Extract<MessageKey, `doctor.${string}`>;

export const nodeFloor = '20.19.0';
/** The model that comes with the package. */
const builtInModelFolder = fileURLToPath(new URL('../../assets/model', import.meta.url));
const needBytes = 700 * 2 ** 20;
const needDiskBytes = 16 * 2 ** 20;

/** In the order they are shown. */
const checks: readonly (readonly [CheckName, Check])[] = [
  ['doctor.node', ({ say }) => checkNode(process.versions.node, say)],
  ['doctor.engine', checkEngine],
  ['doctor.threads', ({ say }) => ok(say('doctor.threadsAre', { count: availableParallelism() }))],
  ['doctor.memory', ({ say }) => checkMemory(availableMemory(), usableMemory(), say)],
  ['doctor.disk', checkDisk],
  ['doctor.model', checkModel],
  ['doctor.data', checkData],
  ['doctor.terminal', checkTerminal],
];

export async function doctor(
  { words }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const { say } = terminal;
  if (words.length > 0) {
    const where = `${say('program')} doctor`;
    throw usageError(say, { where, expected: say('usage.noWords'), got: words.join(' ') });
  }
  let isSound = true;
  for (const [name, check] of checks) {
    signal.throwIfAborted();
    const { state, text } = await check(terminal);
    if (state === 'broken') isSound = false;
    terminal.print(`${badge(state, terminal)} ${say(name)}: ${printable(text)}`);
  }
  const command = `${say('program')} "a red apple, flat"`;
  terminal.print();
  terminal.print(isSound ? say('doctor.sound', { command }) : say('doctor.unsound'));
  return isSound ? 0 : 1;
}

const colours = { ok: 'green', note: 'yellow', broken: 'red' } as const;

function badge(state: State, terminal: Terminal): string {
  return terminal.style('stdout', colours[state], `[${terminal.say(`doctor.${state}`)}]`);
}

const ok = (text: string): Finding => ({ state: 'ok', text });
const note = (text: string): Finding => ({ state: 'note', text });
const broken = (text: string): Finding => ({ state: 'broken', text });
const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export function checkNode(version: string, say: Say): Finding {
  const isOld = version.localeCompare(nodeFloor, 'en', { numeric: true }) < 0;
  const floor = nodeFloor;
  return isOld ? broken(say('doctor.nodeBroken', { version, floor })) : ok(version);
}

/** Starts the engine's child, which loads ONNX Runtime. */
async function checkEngine({ say }: Terminal): Promise<Finding> {
  const started = performance.now();
  await using engine = Engine.start();
  try {
    await engine.whenReady();
  } catch (error) {
    return broken(say('doctor.engineBroken', { reason: reasonOf(error) }));
  }
  const ms = Math.round(performance.now() - started);
  return ok(say('doctor.engineRuns', { version: engineVersion(), ms }));
}

function engineVersion(): string {
  const require = createRequire(import.meta.url);
  const file = require.resolve('onnxruntime-node/package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Bytes this process may still take, limits of a container included. */
function availableMemory(): number {
  return process.availableMemory?.() ?? freemem();
}

function usableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

export function checkMemory(freeBytes: number, totalBytes: number, say: Say): Finding {
  const values = { free: size(freeBytes), total: size(totalBytes), need: size(needBytes) };
  const isLow = freeBytes < needBytes;
  return isLow ? note(say('doctor.memoryLow', values)) : ok(say('doctor.memoryIs', values));
}

async function checkDisk({ say, folder }: Terminal): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  const values = { free: size(bavail * bsize), folder };
  const isLow = bavail * bsize < needDiskBytes;
  return isLow ? note(say('doctor.diskLow', values)) : ok(say('doctor.diskIs', values));
}

async function checkModel({ say }: Terminal): Promise<Finding> {
  try {
    const { count, sizeBytes, isVerified } = await checkModelFiles(builtInModelFolder);
    const text = say('doctor.modelIs', { size: size(sizeBytes), files: count });
    return isVerified
      ? ok(`${text}, ${say('doctor.sumsFit')}`)
      : note(`${text}, ${say('doctor.noSums', { file: sumsFile })}`);
  } catch (error) {
    return broken(say('doctor.modelBroken', { reason: reasonOf(error) }));
  }
}

function checkData({ say, folder: current }: Terminal): Finding {
  const folder = join('.cache', 'pictograms');
  try {
    const { pictures, concepts } = readPictogramIndex(join(current, folder));
    const values = { pictures: pictures.length, concepts: concepts.length, folder };
    return ok(say('doctor.dataIs', values));
  } catch (error) {
    const { cause } = error as MaliangError;
    const isAbsent = (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    const text = isAbsent
      ? say('doctor.dataAbsent', { folder, command: buildCommand })
      : reasonOf(error);
    return note(text);
  }
}

function checkTerminal(terminal: Terminal): Finding {
  const { say, env } = terminal;
  const colour = say(terminal.hasColour('stdout') ? 'doctor.colour' : 'doctor.noColour');
  const kind = previewKind(terminal);
  const preview =
    kind === 'half-blocks' ? say('doctor.halfBlocks') : (kind ?? say('doctor.noPreview'));
  const language = languageOf(env);
  return ok(say('doctor.terminalIs', { colour, preview, language }));
}

/** `1.5 GB`, in powers of 1024. */
function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let power = 0;
  let value = bytes;
  while (value >= 1000 && power < units.length - 1) {
    value /= 1024;
    power++;
  }
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ${units[power]}`;
}
