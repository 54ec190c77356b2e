/** @file A thread of a training run: gradients of its micro-batches, then its share of the optimiser's update. */
import { parentPort, workerData } from 'node:worker_threads';
import { MaliangError } from '../core/errors.js';
import { adamWStep, addAndSquare, addInto, squaresOf } from './adamw.js';
import { GradientSession } from './gradient-session.js';
import { MuonUpdate } from './muon.js';
import type { StepReply, StepRequest, WorkerStart } from './step-messages.js';

const { parts, threads, state, gradients, index, share } = workerData as WorkerStart;
const session = await GradientSession.load(parts, { threads });
const muon = await MuonUpdate.load(share.matrices, { threads });
/** ONNX Runtime takes no shared memory, so the parameters are copied at the start of a step. */
const parameters = new Float32Array(session.layout.length);
const parameterViews = session.layout.views(parameters);

async function addGradient({
  feeds,
  isFirst,
}: Extract<StepRequest, { kind: 'gradient' }>): Promise<StepReply> {
  if (isFirst) parameters.set(state.parameters);
  const values = await session.run(parameterViews, feeds);
  const sum = gradients[index]!;
  if (isFirst) sum.set(session.gradient);
  else addInto(sum, session.gradient, { from: 0, to: sum.length });
  return { kind: 'values', values };
}

/** Sums a range of the workers' gradients into the first one's; returns the sum of its squares. */
function sumGradients(
  total: Float32Array,
  { range, workers }: Extract<StepRequest, { kind: 'sum' }>,
): number {
  if (workers === 1) return squaresOf(total, range);
  for (const part of gradients.slice(1, workers - 1)) addInto(total, part, range);
  return addAndSquare(total, gradients[workers - 1]!, range);
}

async function answer(request: StepRequest): Promise<StepReply> {
  const [total] = gradients as [Float32Array];
  switch (request.kind) {
    case 'gradient':
      return addGradient(request);
    case 'sum':
      return { kind: 'squares', squares: sumGradients(total, request) };
    case 'prepare':
      return {
        kind: 'squares',
        squares: await muon.prepare(state, total, request.gradientScale),
      };
    case 'update':
      for (const range of share.ranges) adamWStep(state, total, request.options, range);
      muon.apply(state, total, request.options);
      return { kind: 'done' };
    case 'end':
      await muon.dispose();
      await session.dispose();
      return { kind: 'done' };
  }
}

function failure(cause: unknown): StepReply {
  const code = cause instanceof MaliangError ? cause.code : 'INTERNAL';
  return { kind: 'failed', code, message: cause instanceof Error ? cause.message : `${cause}` };
}

parentPort!.on('message', (request: StepRequest) => {
  answer(request)
    .catch(failure)
    .then((reply) => {
      parentPort!.postMessage(reply);
      if (request.kind === 'end') parentPort!.close();
    });
});
parentPort!.postMessage({ kind: 'ready' } satisfies StepReply);
