/** @file What Maliang calls itself inside pictures. */
import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

export const program = { name: 'Maliang', version } as const;
