/** @file Random order as `torch.randperm` draws it: the shuffle of Fisher and Yates. */
import type { TorchGenerator } from './random.js';

/** `torch.randperm(count)` under the same generator, for counts below 2³². */
export function randomPermutation(random: TorchGenerator, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < count - 1; i++) {
    const other = i + (random.random32() % (count - i));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}
