/** @file The engine: results, responsiveness, cancelling, crashes, memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { erf } from '../../src/graph/build.js';
import { input } from '../../src/graph/tensor.js';
import { Engine, type RemoteSession } from '../../src/runtime/engine.js';
import { enginesOf, isRunning, median, residentKib } from './process-state.js';
import { slowFeeds, slowModel } from './slow-model.js';

async function failureOf(work: Promise<unknown>): Promise<{ code: unknown; afterMs: number }> {
  const start = performance.now();
  const code = await work.then(
    () => 'none',
    (error: { code?: unknown }) => error.code ?? error,
  );
  return { code, afterMs: performance.now() - start };
}

describe('an engine', () => {
  let engine: Engine;
  let slow: RemoteSession;
  let quick: RemoteSession;

  beforeEach(async () => {
    engine = Engine.start({ threads: 1 });
    slow = await engine.load(slowModel(400));
    quick = await engine.load(slowModel(1));
  });
  afterEach(() => engine.dispose());

  const expectOnes = async (session: RemoteSession): Promise<void> => {
    const y = (await session.run(slowFeeds)).get('y')!;
    expect(y.shape).toEqual([512, 512]);
    expect((y.data as Float32Array).every((value) => value === 1)).toBe(true);
  };

  it('gives results', async () => {
    await Promise.all([expectOnes(quick), expectOnes(slow), expectOnes(quick)]);
  });

  it('leaves the event loop free', async () => {
    let longestMs = 0;
    let ticks = 0;
    let last = performance.now();
    let cpu = process.cpuUsage();
    const timer = setInterval(() => {
      const now = performance.now();
      const { user, system } = process.cpuUsage(cpu);
      // A busy machine may keep this process waiting; only what it computed itself counts.
      longestMs = Math.max(longestMs, Math.min(now - last, (user + system) / 1000));
      last = now;
      cpu = process.cpuUsage();
      ticks++;
    }, 2);
    await expectOnes(slow);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
    expect(longestMs).toBeLessThan(50);
  });

  it('rejects a cancelled run at once and stays usable', async () => {
    const controller = new AbortController();
    const run = slow.run(slowFeeds, { signal: controller.signal });
    run.catch(() => undefined);
    await sleep(100);
    controller.abort();
    const { code, afterMs } = await failureOf(run);
    expect(code).toBe('CANCELLED');
    expect(afterMs).toBeLessThan(50);
    const { pid } = engine;
    await expectOnes(quick);
    expect(engine.pid).toBe(pid);
  });

  it('never begins a run cancelled while it waits', async () => {
    const controller = new AbortController();
    const first = quick.run(slowFeeds);
    const waiting = Array.from({ length: 8 }, () =>
      failureOf(slow.run(slowFeeds, { signal: controller.signal })),
    );
    controller.abort();
    const start = performance.now();
    await first;
    for (const { code } of await Promise.all(waiting)) expect(code).toBe('CANCELLED');
    await expectOnes(quick);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('reports a killed child, then goes on with a new one', async () => {
    const { pid } = engine;
    const run = failureOf(slow.run(slowFeeds));
    await sleep(50);
    process.kill(pid!, 'SIGKILL');
    expect((await run).code).toBe('RUNTIME_EXITED');
    expect(engine.pid).toBeUndefined();
    await expectOnes(quick);
    expect(engine.pid).not.toBe(pid);
  });

  it('ends at once when disposed, whatever it computes', async () => {
    const pid = engine.pid!;
    const running = failureOf(slow.run(slowFeeds));
    const waiting = failureOf(quick.run(slowFeeds));
    await sleep(50);
    const start = performance.now();
    await engine.dispose();
    expect(performance.now() - start).toBeLessThan(500);
    expect((await running).code).toBe('DISPOSED');
    expect((await waiting).code).toBe('DISPOSED');
    expect((await failureOf(quick.run(slowFeeds))).code).toBe('DISPOSED');
    expect(isRunning(pid)).toBe(false);
    expect(enginesOf(process.pid)).toEqual([]);
    await engine.dispose();
  });

  it('frees one session and keeps the others', async () => {
    await slow.dispose();
    await slow.dispose();
    expect((await failureOf(slow.run(slowFeeds))).code).toBe('DISPOSED');
    await expectOnes(quick);
  });

  it('passes the child’s complaints on', async () => {
    const unknown = new Map([['y', erf(input('x', [2], 'f64'))]]);
    expect((await failureOf(engine.load(unknown))).code).toBe('RUNTIME');
    expect((await failureOf(quick.run(new Map()))).code).toBe('SHAPE');
    await expectOnes(quick);
  });
});

it.each([0, 1.5, Number.NaN, 5000])('refuses %s threads', (threads) => {
  expect(() => Engine.start({ threads })).toThrow('threads as a whole number from 1 to 1024');
});

it('gives memory back within one engine: twenty loads of one model', async () => {
  await using engine = Engine.start({ threads: 1 });
  const resident: number[] = [];
  for (let cycle = 0; cycle < 20; cycle++) {
    await using session = await engine.load(slowModel(20));
    await session.run(slowFeeds);
    resident.push(residentKib([engine.pid!]));
  }
  const [early, late] = [median(resident.slice(5, 10)), median(resident.slice(-5))];
  expect(late, `${resident}`).toBeLessThan(early * 1.1);
});
