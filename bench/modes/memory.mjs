/** @file Anonymous resident memory of this process and its children, sampled while something runs (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

function statusOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const read = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return { parent: read('PPid'), anonymous: read('RssAnon') };
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

/** MiB of this process and everything below it. */
export function anonymousMiB() {
  const all = new Map();
  for (const name of readdirSync('/proc')) {
    const status = /^\d+$/.test(name) ? statusOf(name) : undefined;
    if (status) all.set(Number(name), status);
  }
  let kib = 0;
  for (const [pid, { anonymous }] of all) {
    let at = pid;
    while (at && at !== process.pid) at = all.get(at)?.parent;
    if (at) kib += anonymous;
  }
  return kib / 1024;
}

/** Notes the peak every 50 ms until stopped; `lap` gives the peak since the last one. */
export function watchMemory() {
  let peak = anonymousMiB();
  const look = () => {
    peak = Math.max(peak, anonymousMiB());
  };
  const timer = setInterval(look, 50);
  return {
    lap() {
      look();
      const most = peak;
      peak = anonymousMiB();
      return Math.round(most);
    },
    stop: () => clearInterval(timer),
  };
}
