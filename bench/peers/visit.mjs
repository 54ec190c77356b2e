/** @file One process of a contender, from its start to its end, with the most memory it and its children held. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { inCheckout } from '../../scripts/document-section.mjs';
import { watchMemory } from './memory.mjs';

export const python = process.env.MALIANG_PEER_PYTHON;
export const stableDiffusionCpp = process.env.MALIANG_SDCPP;
const here = (name) => inCheckout(`bench/peers/${name}`);

/**
 * Runs a program. Resolves with its output, the milliseconds from start to end, `peakBytes` of
 * anonymous memory over all its processes and, where it told `{"mark": "idle"}`, `idleBytes` then.
 * Rejects when it fails.
 */
export function watched(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const startedAt = Date.now();
    const given = { ...process.env, MALIANG_PEER_STARTED: `${startedAt}`, ...env };
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: given });
    child.once('error', reject);
    if (child.pid === undefined) return;
    const memory = watchMemory(child.pid);
    const lines = [];
    let [errors, idleBytes] = ['', 0];
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (line === '{"mark":"idle"}') idleBytes = memory.look();
    });
    child.stderr.on('data', (text) => {
      errors = (errors + text).slice(-20_000);
    });
    child.once('close', (code) => {
      const peakBytes = memory.stop();
      const result = { lines, errors, ms: Date.now() - startedAt, peakBytes, idleBytes };
      if (code === 0) resolve(result);
      else reject(new Error(reasonOf(errors) ?? `exit code ${code}`));
    });
  });
}

/** The line of an error output that says what was wrong. */
function reasonOf(errors) {
  const lines = errors.trim().split('\n').filter(Boolean);
  return lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
}

/** A worker's result: its last line, with the memory beside it. */
export async function told(command, args, env) {
  const { lines, peakBytes, idleBytes } = await watched(command, args, env);
  return { ...JSON.parse(lines.at(-1)), peakBytes, idleBytes };
}

/** Maliang as it is, and without rewriting its graphs. */
export const isOurs = (name) => name === 'maliang' || name === 'plain';
export const ours = (args, env) => told(process.execPath, [here('ours.mjs'), ...args], env);
export const peer = (args, env) => told(python, [here('peer.py'), ...args], env);
export const models = (args) => watched(python, [here('models.py'), ...args]);
