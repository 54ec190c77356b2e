/** @file `maliang doctor`: what drawing needs, checked one by one, each with a cure. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MaliangError } from '../core/errors.js';
import { buildCommand, readPictogramIndex } from '../data/pictogram-index.js';
import { Engine } from '../runtime/engine.js';
import { engineVersion } from '../runtime/engine-version.js';
import { preparedSettings } from '../runtime/prepared-settings.js';
import { preparedUsage } from '../runtime/prepared-store.js';
import { byteSize } from './byte-size.js';
import type { Interruption } from './interruption.js';
import { languageOf, type MessageKey, type Say } from './messages.js';
import { checkModelFiles, sumsFile } from './model-files.js';
import { cachedModelPath } from './models-download.js';
import type { Invocation } from './parse.js';
import { previewKind } from './preview.js';
import { printable } from './printable.js';
import type { Terminal } from './terminal.js';
import { helpOrDraw, usageError } from './usage.js';

type State = 'ok' | 'note' | 'broken';

interface Finding {
  readonly state: State;
  readonly text: string;
}

/** What is checked: `model` is a folder the user named, or undefined for the built-in one. */
interface Subject {
  readonly terminal: Terminal;
  readonly model: string | undefined;
}

type Check = (subject: Subject) => Finding | Promise<Finding>;
type CheckName = Extract<MessageKey, `doctor.${string}`>;

const nodeFloor = '20.19.0';
/** The model that comes with the package. */
const builtInModelFolder = fileURLToPath(new URL('../../assets/model', import.meta.url));
const needBytes = 700 * 2 ** 20;
const needDiskBytes = 16 * 2 ** 20;

/** In the order they are shown. */
const checks: readonly (readonly [CheckName, Check])[] = [
  ['doctor.node', ({ terminal: { say } }) => checkNode(process.versions.node, say)],
  ['doctor.engine', checkEngine],
  ['doctor.threads', checkThreads],
  ['doctor.memory', ({ terminal: { say } }) => checkMemory(availableMemory(), usableMemory(), say)],
  ['doctor.disk', checkDisk],
  ['doctor.prepared', checkPrepared],
  ['doctor.model', checkModel],
  ['doctor.drawing', checkDrawing],
  ['doctor.data', checkData],
  ['doctor.terminal', checkTerminal],
];

export async function doctor(
  { words, values }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const { say } = terminal;
  if (words.length > 0) {
    const [where, got] = [`${say('program')} doctor`, words.join(' ')];
    const next = helpOrDraw(say, `doctor ${got}`);
    throw usageError(say, { where, expected: say('usage.noWords'), got, next });
  }
  const model = values.model && (await cachedModelPath(values.model, terminal));
  let isSound = true;
  for (const [name, check] of checks) {
    signal.throwIfAborted();
    const { state, text } = await check({ terminal, model });
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
async function checkEngine({ terminal: { say } }: Subject): Promise<Finding> {
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

function checkThreads({ terminal: { say } }: Subject): Finding {
  return ok(say('doctor.threadsAre', { count: availableParallelism() }));
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
  const values = {
    free: byteSize(freeBytes),
    total: byteSize(totalBytes),
    need: byteSize(needBytes),
  };
  const isLow = freeBytes < needBytes;
  return isLow ? note(say('doctor.memoryLow', values)) : ok(say('doctor.memoryIs', values));
}

async function checkDisk({ terminal: { say, folder } }: Subject): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  const values = { free: byteSize(bavail * bsize), folder };
  const isLow = bavail * bsize < needDiskBytes;
  return isLow ? note(say('doctor.diskLow', values)) : ok(say('doctor.diskIs', values));
}

/** Where prepared weights are kept, and how much of the disk they take. */
async function checkPrepared({ terminal: { say, env } }: Subject): Promise<Finding> {
  try {
    const settings = preparedSettings(env);
    if (!settings) return note(say('doctor.preparedOff'));
    const { folder } = settings;
    const { files, bytes } = await preparedUsage(folder);
    return ok(say('doctor.preparedIs', { size: byteSize(bytes), count: files, folder }));
  } catch (error) {
    return broken(reasonOf(error));
  }
}

async function checkModel({ terminal: { say }, model }: Subject): Promise<Finding> {
  try {
    const found = await checkModelFiles(model ?? builtInModelFolder);
    const name = model ?? say('doctor.builtIn');
    const text = say('doctor.modelIs', {
      name,
      size: byteSize(found.sizeBytes),
      files: found.count,
    });
    return found.isVerified
      ? ok(`${text}, ${say('doctor.sumsFit')}`)
      : note(`${text}, ${say('doctor.noSums', { file: sumsFile })}`);
  } catch (error) {
    const cure = model === undefined ? ` ${say('doctor.reinstall')}` : '';
    return broken(`${reasonOf(error)}${cure}`);
  }
}

/** One step of a picture, through everything that drawing uses. */
async function checkDrawing({ terminal: { say }, model }: Subject): Promise<Finding> {
  const started = performance.now();
  try {
    const { TextToImage } = await import('../pipelines/text-to-image.js');
    await using pipeline = await TextToImage.fromPretrained(model);
    await pipeline.generate('a red apple', { seed: 0, steps: 1 });
  } catch (error) {
    return broken(reasonOf(error));
  }
  return ok(say('doctor.draws', { ms: Math.round(performance.now() - started) }));
}

function checkData({ terminal: { say, folder: current } }: Subject): Finding {
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

function checkTerminal({ terminal }: Subject): Finding {
  const { say, env } = terminal;
  const colour = say(terminal.hasColour('stdout') ? 'doctor.colour' : 'doctor.noColour');
  const kind = previewKind(terminal);
  const preview =
    kind === 'half-blocks' ? say('doctor.halfBlocks') : (kind ?? say('doctor.noPreview'));
  const language = languageOf(env);
  return ok(say('doctor.terminalIs', { colour, preview, language }));
}
