/** @file Every sampler on every family of models against diffusers; `npm run fidelity` writes docs/fidelity.md from it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { kDiffusionTable, supportedSamplers } from '../../src/schedulers/table.js';
import {
  distanceOf,
  type FidelityResult,
  fidelityFamilies,
  fidelityFolder,
  optionsOf,
} from '../fidelity-cases.js';
import { rewriting } from '../forced-rewrites.js';
import type { ReferenceFolder } from '../reference-folder.js';

declare module 'vitest' {
  interface TaskMeta {
    /** For the reporter that writes the document. */
    fidelity?: FidelityResult;
  }
}

const tolerance = 1e-4;

/** Solvers that run flows too. */
const flowSolvers: ReadonlySet<string> = new Set([
  'DEISMultistepScheduler',
  'DPMSolverMultistepScheduler',
  'DPMSolverSinglestepScheduler',
  'UniPCMultistepScheduler',
]);

/** Whether a class is for models as the family's. */
function serves(className: string, family: string): boolean {
  const [isFlow, isEdm] = [className.startsWith('FlowMatch'), className.startsWith('EDM')];
  if (family === 'sdxl-edm') return isEdm;
  if (family.startsWith('sd3')) return isFlow || flowSolvers.has(className);
  return !isFlow && !isEdm;
}

/** Families that try something else than every sampler. */
const partial: ReadonlySet<string> = new Set([
  'sd1-schedules',
  'sd1-sigma-ends',
  'sd1-short-file',
  'sd3-image',
  'sd3-mask',
]);
const whole = fidelityFamilies.filter(({ name }) => !partial.has(name));

describe.each(fidelityFamilies)('$name', (family) => {
  let folder: ReferenceFolder;
  let pipe: TextToImage;
  beforeAll(async () => {
    folder = fidelityFolder(family);
    pipe = await TextToImage.fromPretrained(folder.path, { threads: 1, ...rewriting });
  });
  afterAll(async () => {
    await pipe.dispose();
    folder[Symbol.dispose]();
  });

  it.for(family.rows)('draws $name $className $schedule', async (row, { task }) => {
    const measured = await distanceOf(pipe, family, row);
    task.meta.fidelity = { ...row, ...measured, family: family.name };
    expect(measured.className).toBe(row.className);
    expect(measured.timestep).toBeLessThan(1e-5);
    expect(measured.latents).toBeLessThanOrEqual(tolerance);
    expect(measured.most).toBeLessThanOrEqual(1);
    expect(measured.unequal / measured.values).toBeLessThanOrEqual(0.001);
  });

  it.runIf(whole.includes(family))('refuses samplers of another kind of model', async () => {
    const options = { ...optionsOf(family, family.rows[0]!), schedule: undefined };
    for (const sampler of supportedSamplers.filter((name) => !serves(name, family.name))) {
      const drawn = pipe.generate('a star', { ...options, sampler });
      await expect(drawn, sampler).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
    }
  });

  it.runIf(family.refused.length > 0)('refuses what diffusers fails at', async () => {
    for (const row of family.refused) {
      const drawn = pipe.generate('a star', optionsOf(family, row));
      await expect(drawn, row.className).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
    }
  });
});

it.each(whole)('has every class for $name', (family) => {
  const listed = [...family.rows, ...family.refused].map(({ className }) => className);
  const ofDiffusers = supportedSamplers.filter((name) => !(name in kDiffusionTable));
  const valid = ofDiffusers.filter((name) => serves(name, family.name));
  expect([...new Set(listed)].sort()).toEqual(valid.sort());
});
