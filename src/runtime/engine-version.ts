/** @file The version of the execution engine, read without loading it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Version of the installed onnxruntime-node. */
export function engineVersion(): string {
  const file = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
