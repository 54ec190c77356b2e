/** @file Statistics of group norms gathered band by band. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';

/** Count, mean and summed squared deviation of each group, over the rows seen so far (Chan et al. 1979). */
export class GroupMoments {
  readonly #mean: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  constructor(groups: number) {
    this.#mean = new Float64Array(groups);
    this.#squares = new Float64Array(groups);
  }

  add(count: number, mean: Float32Array, squares: Float32Array): void {
    const all = this.#count + count;
    mean.forEach((value, i) => {
      const delta = value - this.#mean[i]!;
      this.#mean[i]! += (delta * count) / all;
      this.#squares[i]! += squares[i]! + (delta * delta * this.#count * count) / all;
    });
    this.#count = all;
  }

  /** What `bandOf` wants fed: the mean, and 1/√(variance + eps). */
  feeds(name: string, eps: number): [string, FloatTensor][] {
    const scale = this.#squares.map((value) => 1 / Math.sqrt(value / this.#count + eps));
    const column = (values: Float64Array): FloatTensor =>
      floatTensor(Float32Array.from(values), [values.length, 1]);
    return [
      [`${name} mean`, column(this.#mean)],
      [`${name} scale`, column(scale)],
    ];
  }
}
