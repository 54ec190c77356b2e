/** @file Anonymous memory of a process and all below it, from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';

const everyMs = 100;

/** Text of a file of /proc; undefined when the process is gone. */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The process and everything it started, whose parents still live. */
export function processTree(root) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = read(`/proc/${name}/stat`);
    const parent = Number(text?.slice(text.lastIndexOf(')') + 4).split(' ')[0]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]) ?? []));
  return tree;
}

/** Bytes that no file holds: anonymous and shared memory of the tree; files mapped in place do not count. */
export function anonymousBytes(root) {
  let kilobytes = 0;
  for (const pid of processTree(root)) {
    const text = read(`/proc/${pid}/status`) ?? '';
    for (const [, amount] of text.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB/gm)) {
      kilobytes += Number(amount);
    }
  }
  return 1024 * kilobytes;
}

/** Watches a tree until `stop`, which says the most it saw and what it saw at every mark. */
export function watchMemory(root) {
  let peak = 0;
  const look = () => {
    const bytes = anonymousBytes(root);
    peak = Math.max(peak, bytes);
    return bytes;
  };
  const timer = setInterval(look, everyMs);
  return {
    look,
    stop: () => {
      clearInterval(timer);
      return peak;
    },
  };
}
