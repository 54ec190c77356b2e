/** @file The list of samplers by the command. */
import { expect, it } from 'vitest';
import { samplers } from '../../src/cli/samplers.js';
import { captureTerminal } from './captured-terminal.js';

const list = async (values: object, words: string[] = [], env = {}) => {
  const { terminal, stdout } = captureTerminal({ env });
  const invocation = { command: 'samplers', isNamed: true, words, values } as const;
  expect(await samplers(invocation, terminal, undefined as never)).toBe(0);
  return stdout();
};

it('names every sampler, its schedules and its other names', async () => {
  const text = await list({});
  expect(text).toMatch(
    /^DPM\+\+ 2M SDE\n {2}schedules: uniform, karras, .*\n {2}also: .*DPMSolverMultistepScheduler\n {2}draws fresh noise/m,
  );
  expect(await list({}, [], { LANG: 'zh_CN.UTF-8' })).toContain('  排布：uniform, karras');
});

it('gives the same as JSON', async () => {
  const listed = JSON.parse(await list({ json: true })) as { name: string; className: string }[];
  expect(listed.find(({ name }) => name === 'Euler')).toMatchObject({
    className: 'EulerDiscreteScheduler',
    schedules: expect.arrayContaining(['karras']),
    aliases: ['k_euler'],
    isStochastic: false,
  });
  expect(listed.length).toBeGreaterThan(15);
});

it('takes no words', async () => {
  await expect(list({}, ['euler'])).rejects.toMatchObject({ code: 'USAGE' });
});
