/** @file The layer rule: which folder of src/ may import which, and the one file behind each door. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Folders in order; a folder imports only its row, and rows only name folders before it. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  schedulers: ['core'],
  formats: ['core'],
  hub: ['core', 'formats'],
  data: ['core', 'formats', 'hub'],
  graph: ['core', 'formats'],
  nn: ['core', 'graph'],
  models: ['core', 'graph', 'nn'],
  runtime: ['core', 'formats', 'hub', 'graph'],
  metrics: ['core', 'formats', 'hub', 'data', 'graph', 'models', 'runtime'],
  pipelines: ['core', 'schedulers', 'formats', 'hub', 'graph', 'models', 'runtime', 'metrics'],
  train: everythingBefore('train'),
  server: ['core', 'formats', 'hub', 'pipelines'],
  cli: 'core formats hub data models runtime metrics pipelines train server'.split(' '),
  // The two files of src/ itself: the public exports and the command.
  'index.ts': everythingBefore('cli'),
  'cli.ts': ['cli'],
};

/** The only places, files or folders, that may import a package. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node': ['runtime/session.ts'],
  sharp: ['formats/image.ts'],
  'node:fs': ['runtime', 'hub', 'data', 'train', 'server', 'cli'],
};

const refusedNames = /^(utils?|helpers?|common|misc|shared)(\.|$)/;

function everythingBefore(folder: string): string[] {
  const order =
    'core schedulers formats hub data graph nn models runtime metrics pipelines train server cli';
  return order.slice(0, order.indexOf(folder)).trim().split(' ');
}

/** Breaches of the rule by one file, whose path is relative to src/. */
export function breaches(path: string, source: string): string[] {
  const layer = path.split('/')[0]!;
  const row = mayImport[layer];
  if (!row) return [`${path}: lies in no layer; src/ has ${Object.keys(mayImport).join(', ')}`];
  return importsOf(source).flatMap((specifier) => {
    if (!specifier.startsWith('.')) return doorBreach(path, specifier);
    const target = join(dirname(path), specifier).split('/')[0]!;
    if (target === layer || row.includes(target)) return [];
    return [`${path}: imports ${target}; ${layer} may import only ${row.join(', ') || 'nothing'}`];
  });
}

function doorBreach(path: string, specifier: string): string[] {
  const name = specifier.replace(/^node:fs\/promises$/, 'node:fs');
  const places = doors[name] ?? (name.startsWith('node:') ? [path] : []);
  if (places.some((place) => path === place || path.startsWith(`${place}/`))) return [];
  return [`${path}: imports ${specifier}; its door is ${places.join(', ') || 'missing'}`];
}

/** Specifiers of every static, dynamic and type-only import, and of re-exports. */
function importsOf(source: string): string[] {
  const code = source.replace(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*$)/gm, '');
  const list = String.raw`(?:type\s+)?(?:\*[^'";]*|\{[^}]*\})\s*from`;
  const statement = String.raw`^\s*(?:import\s+(?:[^'";]*?\bfrom)?|export\s+${list})\s*`;
  const call = String.raw`\b(?:import|require)\(\s*`;
  const pattern = new RegExp(`(?:${statement}|${call})(['"])([^'"]+)\\1`, 'gm');
  return [...code.matchAll(pattern)].map((match) => match[2]!);
}

/** Breaches of every file below `root`; white-box tests may import what they like. */
export function allBreaches(root: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/');
    if (refusedNames.test(entry.name)) return [`${path}: needs a name that says what it is`];
    if (!entry.isFile() || !/(?<!\.test)\.tsx?$/.test(path)) return [];
    return breaches(path, readFileSync(join(root, path), 'utf8'));
  });
}
