/** @file The child process of an engine: loads models, runs them, and never outlives its parent. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { MaliangError } from '../core/errors.js';
import type { FloatTensor, TensorData } from '../core/tensor-data.js';
import { emitOnnx } from '../graph/emit.js';
import type { Reply, Request } from './messages.js';
import { unpackGraph } from './packed-graph.js';
import { RowStore } from './row-store.js';
import type { LocalSession } from './session.js';
import { weightsInFiles } from './weights.js';

type Runtime = typeof import('./session.js') &
  typeof import('./packing-choice.js') &
  typeof import('./prepared-weights.js');

const done = { kind: 'done', outputs: new Map(), warnings: [] } as const;
const sessions = new Map<number, LocalSession>();
const kept = new RowStore();

/**
 * Kills this process when the parent's end of descriptor 4 closes. A thread of its own, because
 * the main thread is deaf while ONNX Runtime computes.
 */
const watch = `
const { Socket } = require('node:net');
const end = () => process.kill(process.pid, 'SIGKILL');
new Socket({ fd: 4 }).on('error', end).on('close', end).resume();
`;

function guardAgainstOrphanhood(): void {
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches the whole group; the parent decides what becomes of the work.
  process.on('SIGINT', () => undefined);
  const watcher = new Worker(watch, { eval: true, stdout: true, stderr: true });
  watcher.unref();
}

async function answer(runtime: Runtime, request: Request): Promise<Reply> {
  switch (request.kind) {
    case 'load': {
      const { LocalSession, packingPays, readyToRun } = runtime;
      const { session, weights, options, preparation } = request;
      const ready = await readyToRun(unpackGraph(request.graph), weights, preparation);
      const model = emitOnnx(ready.graph, { weights: weightsInFiles(ready.weights) });
      const packsWeights = packingPays(ready.graph, ready.weights);
      sessions.set(session, await LocalSession.create(model, { packsWeights, ...options }));
      return { ...done, warnings: ready.warnings };
    }
    case 'run':
      return { ...done, outputs: await run(request) };
    case 'drop':
      for (const store of request.stores) kept.drop(store, Number.POSITIVE_INFINITY);
      collectGarbage();
      return done;
    case 'release':
      await sessions.get(request.session)?.dispose();
      sessions.delete(request.session);
      collectGarbage();
      return done;
  }
}

async function run({
  session,
  feeds,
  rows,
}: Extract<Request, { kind: 'run' }>): Promise<ReadonlyMap<string, TensorData>> {
  const model = sessions.get(session)!;
  if (!rows) return model.run(feeds);
  const all = new Map(feeds);
  for (const [name, read] of rows.reads) all.set(name, kept.read(read));
  const outputs = await model.run(all);
  for (const [name, write] of rows.writes) {
    kept.write(write, outputs.get(name) as FloatTensor);
    outputs.delete(name);
  }
  for (const { store, from } of rows.drops) kept.drop(store, from);
  collectGarbage();
  return outputs;
}

let garbageCollector: (() => void) | undefined;

/** Rows and models given up are large, and V8 is in no hurry. */
function collectGarbage(): void {
  if (!garbageCollector) {
    setFlagsFromString('--expose-gc');
    garbageCollector = runInNewContext('gc') as () => void;
  }
  garbageCollector();
}

function failure(cause: unknown): Reply {
  const code = cause instanceof MaliangError ? cause.code : 'RUNTIME';
  return { kind: 'failed', code, message: cause instanceof Error ? cause.message : `${cause}` };
}

async function serve(): Promise<void> {
  const send = (reply: Reply): unknown => process.send?.(reply);
  let runtime: Runtime;
  try {
    runtime = {
      ...(await import('./session.js')),
      ...(await import('./packing-choice.js')),
      ...(await import('./prepared-weights.js')),
    };
  } catch (cause) {
    send({
      kind: 'failed',
      code: 'RUNTIME',
      message: `runtime: onnxruntime-node does not load: ${(cause as Error).message}`,
    });
    return;
  }
  process.on('message', (request: Request) => {
    answer(runtime, request).catch(failure).then(send);
  });
  send({ kind: 'ready' });
}

guardAgainstOrphanhood();
await serve();
