/** @file What every bench shares: medians, the machine's name, and whether anything else runs on it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { inCheckout } from '../scripts/document-section.mjs';

/** Share of the processors that others may use while a result is written. */
const tolerated = 0.1;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Processor, cores, memory and versions, as the documents name them. */
export function machine() {
  const version = (name) =>
    JSON.parse(readFileSync(inCheckout(`node_modules/${name}/package.json`), 'utf8')).version;
  return {
    processor: os.cpus()[0]?.model.trim() ?? os.arch(),
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    node: process.versions.node,
    onnxruntime: version('onnxruntime-node'),
  };
}

export function machineLine({ processor, cores, memoryGiB, node, onnxruntime }) {
  return `${processor}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, ONNX Runtime ${onnxruntime}.`;
}

/** Share of all processor time, 0 to 1, that something uses during the next second. */
export async function busyShare() {
  const read = () => {
    const total = { busy: 0, all: 0 };
    for (const { times } of os.cpus()) {
      const all = Object.values(times).reduce((sum, time) => sum + time, 0);
      total.all += all;
      total.busy += all - times.idle;
    }
    return total;
  };
  const before = read();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = read();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

/** Warns when the machine is busy; ends the process then if the result was to be written. */
export async function requireQuiet(isWriting) {
  const busy = await busyShare();
  if (busy <= tolerated) return;
  const share = `${(100 * busy).toFixed(0)} %`;
  process.stderr.write(
    `bench: other programs use ${share} of this machine; the figures mean little.\n`,
  );
  if (!isWriting) return;
  process.stderr.write('bench: nothing is written from a busy machine. Stop them and run again.\n');
  process.exit(1);
}

/**
 * Runs a program to its end. Resolves with its output and the milliseconds from start to end;
 * rejects when it fails.
 */
export function timed(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.stderr.on('data', (text) => {
      errors += text;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      const ms = performance.now() - start;
      if (code === 0) resolve({ output, ms });
      else reject(new Error(`${command} ${args.join(' ')}: exit code ${code}\n${errors}`));
    });
  });
}
