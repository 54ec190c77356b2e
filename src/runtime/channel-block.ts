/** @file How many channels ONNX Runtime's convolutions take at once on this processor. */
import { blockedConv2d, constant, conv2d } from '../graph/build.js';
import { blockChannels } from '../graph/channel-blocks.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { LocalSession } from './session.js';

/** AVX-512 and NEON, then AVX2. */
const candidates = [16, 8] as const;

let known: Promise<number | undefined> | undefined;

/** Undefined where there are no such convolutions. Found by trying, once a process. */
export function channelBlock(): Promise<number | undefined> {
  known ??= firstThatFits();
  return known;
}

async function firstThatFits(): Promise<number | undefined> {
  for (const block of candidates) if (await fits(block)) return block;
  return undefined;
}

/** Whether a convolution with weights in such blocks gives what a plain one gives. */
async function fits(block: number): Promise<boolean> {
  const width = 2 * block;
  const data = Float32Array.from({ length: width * width }, (_, i) => Math.sin(i));
  const weight = constant({ dtype: 'f32', shape: [width, width, 1, 1], data });
  const x = input('x', [1, width, 2, 2]);
  const blocked = blockedConv2d(x, blockChannels(weight, block), undefined, { block });
  const model = emitOnnx(
    new Map([
      ['plain', conv2d(x, weight)],
      ['blocked', blocked],
    ]),
  );
  try {
    await using session = await LocalSession.create(model, { threads: 1 });
    const values = Float32Array.from({ length: 4 * width }, (_, i) => Math.cos(i));
    const feed = { dtype: 'f32', shape: x.shape, data: values } as const;
    const outputs = await session.run(new Map([['x', feed]]));
    const [a, b] = ['plain', 'blocked'].map((name) => outputs.get(name)!.data as Float32Array);
    return a!.every((value, i) => Math.abs(value - b![i]!) < 1e-4);
  } catch {
    return false; // ONNX Runtime has no kernel for it here.
  }
}
