/** @file Turns a sampler's callbacks into events a caller pulls: no step begins before the last event is taken. */
import { cancelled } from '../core/errors.js';
import type { Denoise, StepEvent } from '../schedulers/sampler.js';

/** Runs a sampler with the callbacks it is given; resolves with the finished latents. */
export type Sampling = (
  denoise: Denoise,
  onStep: (event: StepEvent) => void,
) => Promise<Float32Array>;

/** What the consumer gets when it asks for more. */
type Turn =
  | { readonly kind: 'event'; readonly event: StepEvent; readonly taken: () => void }
  | { readonly kind: 'end'; readonly latents: Float32Array }
  | { readonly kind: 'failure'; readonly cause: unknown };

/** One value at a time from a producer to a consumer. */
class Handover {
  #deliver: (turn: Turn) => void = () => undefined;
  #next = this.#fresh();

  deliver(turn: Turn): void {
    this.#deliver(turn);
  }

  async receive(): Promise<Turn> {
    const turn = await this.#next;
    this.#next = this.#fresh();
    return turn;
  }

  #fresh(): Promise<Turn> {
    return new Promise((resolve) => {
      this.#deliver = resolve;
    });
  }
}

/**
 * Yields each step of `sample` and returns its latents. The sampler waits before each model call
 * until the steps so far are taken; a caller that leaves early ends it there.
 */
export async function* stepStream(
  sample: Sampling,
  denoise: Denoise,
): AsyncGenerator<StepEvent, Float32Array, undefined> {
  const handover = new Handover();
  const waiting: StepEvent[] = [];
  let isLeft = false;
  const handOver = async (): Promise<void> => {
    for (let event = waiting.shift(); event; event = waiting.shift()) {
      const current = event;
      await new Promise<void>((taken) => {
        handover.deliver({ kind: 'event', event: current, taken });
      });
      if (isLeft) throw cancelled('generate');
    }
  };
  const patient: Denoise = async (x, timestep, index) => {
    await handOver();
    return denoise(x, timestep, index);
  };
  const ended = sample(patient, (event) => waiting.push(event))
    .then(async (latents): Promise<Turn> => {
      await handOver();
      return { kind: 'end', latents };
    })
    .catch((cause: unknown): Turn => ({ kind: 'failure', cause }))
    .then((turn) => handover.deliver(turn));
  for (;;) {
    const turn = await handover.receive();
    if (turn.kind === 'failure') throw turn.cause;
    if (turn.kind === 'end') return turn.latents;
    try {
      isLeft = true; // Unless the caller comes back for more.
      yield turn.event;
      isLeft = false;
    } finally {
      turn.taken();
      if (isLeft) await ended;
    }
  }
}
