/** @file Puts generated text between `<!-- begin NAME -->` and `<!-- end NAME -->` of a document. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeFileAtomically } from '../dist/hub/atomic-file.js';

/** Path of a file of the checkout. */
export function inCheckout(path) {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** Replaces the section; throws when the document lacks its marks. */
export async function writeSection(path, name, text) {
  const document = readFileSync(inCheckout(path), 'utf8');
  const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->`];
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) {
    throw new Error(`${path}: expected the marks "${begin.trim()}" and "${end}", got none.`);
  }
  const fresh = `${document.slice(0, from + begin.length)}\n${text.trim()}\n\n${document.slice(to)}`;
  await writeFileAtomically(inCheckout(path), fresh);
}

/** Sets one entry of a JSON file of the checkout; the others stay. */
export async function writeEntry(path, name, value) {
  const entries = readEntries(path);
  entries[name] = value;
  await writeFileAtomically(inCheckout(path), `${JSON.stringify(entries, null, 2)}\n`);
}

/** The entries of a JSON file of the checkout; none when there is no such file. */
export function readEntries(path) {
  try {
    return JSON.parse(readFileSync(inCheckout(path), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

/** Runs an entry point: errors of the library become one line and their exit code. */
export async function runEntry(entry) {
  try {
    await entry();
  } catch (error) {
    if (error.name !== 'MaliangError') throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}
