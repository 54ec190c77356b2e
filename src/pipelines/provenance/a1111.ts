/** @file Reads the `parameters` text of stable-diffusion-webui (AUTOMATIC1111), Forge and programs that write alike. */
import { Fields } from './fields.js';
import { type FoundRecipe, FoundRecipeBuilder, type NamedFile } from './found-settings.js';

export interface Infotext {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** In the order they were written; quotes are taken off. */
  readonly fields: ReadonlyMap<string, string>;
}

/** The webui takes a last line for settings when it finds so many there. */
const fewestFields = 3;
const negativeLabel = 'Negative prompt:';

/** The parts of a text. One without settings is a prompt alone. */
export function readInfotext(text: string): Infotext {
  const lines = text.trim().split(/\r?\n/);
  const found = readFields(lines.at(-1)!);
  const fields = new Map(found);
  if (found.length >= fewestFields) lines.pop();
  else fields.clear();
  const prompt: string[] = [];
  const negative: string[] = [];
  let side = prompt;
  for (const line of lines) {
    const isLabelled = line.trimStart().startsWith(negativeLabel);
    if (isLabelled) side = negative;
    side.push(isLabelled ? line.trimStart().slice(negativeLabel.length).replace(/^ /, '') : line);
  }
  return { prompt: prompt.join('\n'), negativePrompt: negative.join('\n'), fields };
}

/**
 * `key: value, key: "quoted, value", …` as the webui's expression finds them: a key is letters,
 * digits, blanks, - and /, at least two; one walk over the line, whatever it holds.
 */
function readFields(line: string): [string, string][] {
  const found: [string, string][] = [];
  let from = 0;
  for (
    let colon = line.indexOf(':');
    colon >= 0;
    colon = line.indexOf(':', Math.max(from, colon + 1))
  ) {
    const key = keyBefore(line, colon, from);
    if (key === undefined) continue;
    const { value, end } = valueAfter(line, colon + 1);
    found.push([key, value]);
    from = end;
    colon = end - 1;
  }
  return found;
}

const keyCharacter = /[\p{L}\p{N}_ \-/]/u;
const longestKey = 200;

function keyBefore(line: string, colon: number, from: number): string | undefined {
  let start = colon;
  const least = Math.max(from, colon - longestKey);
  while (start > least && keyCharacter.test(line[start - 1]!)) start--;
  const key = line.slice(start, colon).replace(/^[ \-/]+/, '');
  return key.length >= 2 ? key : undefined;
}

function valueAfter(line: string, from: number): { value: string; end: number } {
  let start = from;
  while (start < line.length && /\s/.test(line[start]!)) start++;
  const quoted = line[start] === '"' ? closingQuote(line, start) : undefined;
  if (quoted !== undefined) {
    return { value: unquoted(line.slice(start, quoted + 1)), end: quoted + 2 };
  }
  const comma = line.indexOf(',', start);
  const end = comma < 0 ? line.length : comma;
  return { value: line.slice(start, end), end: end + 1 };
}

/** Where a quoted value ends, if a comma or nothing follows. */
function closingQuote(line: string, start: number): number | undefined {
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] === '\\') at++;
    else if (line[at] === '"') {
      const isEnd = at + 1 === line.length || line[at + 1] === ',';
      return isEnd && at > start + 1 ? at : undefined;
    }
  }
  return undefined;
}

function unquoted(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

/** Settings of a text; undefined when it has no line of them. */
export function readA1111(text: string): FoundRecipe | undefined {
  const { prompt, negativePrompt, fields: written } = readInfotext(text);
  if (written.size === 0) return undefined;
  const fields = new Fields(written);
  const builder = new FoundRecipeBuilder();
  const program = programOf(fields);
  readWords(prompt, negativePrompt, fields, builder);
  readNumbers(fields, builder);
  readNoise(program.name, fields, builder);
  readStart(fields, builder);
  readModels(fields, builder);
  fields.drop('User', ...(program.name === 'Fooocus' ? fooocusWords : []));
  fields.listRest(builder);
  return builder.finish(program.name, program.version);
}

function readWords(prompt: string, negative: string, fields: Fields, builder: FoundRecipeBuilder) {
  const { settings, loras } = builder;
  const words = prompt.replace(
    /<lora:([^:<>]{1,200}):([^<>]{1,60})>/g,
    (_, name: string, weights: string) => {
      const weight = Number.parseFloat(weights);
      loras.push({ name, weight: Number.isFinite(weight) ? weight : 1 });
      if (weights.includes(':')) builder.refuse(`lora ${name}`, `weights ${weights}`);
      return '';
    },
  );
  settings.prompt = loras.length === 0 ? prompt : words.trim();
  if (negative !== '') settings.negativePrompt = negative;
  for (const [tag] of words.matchAll(/<(?:hypernet|lyco):[^<>]{1,200}>/g))
    builder.refuse('prompt', tag);
  settings.promptSyntax = 'a1111';
  const emphasis = fields.text('Emphasis');
  if (emphasis === undefined || emphasis === 'Original') return;
  if (emphasis === 'No norm') settings.emphasis = 'no-norm';
  else if (emphasis === 'Ignore') settings.emphasis = 'ignore';
  else if (emphasis === 'None') settings.emphasis = 'none';
  else builder.refuse('Emphasis', emphasis);
}

function readNumbers(fields: Fields, builder: FoundRecipeBuilder): void {
  const { settings } = builder;
  builder.number('steps', fields.number('Steps'), 'Steps');
  // Fooocus calls it Scheduler and repeats it in the name of the sampler.
  const schedule = fields.text('Schedule type') ?? fields.text('Scheduler');
  builder.sampler(fields.text('Sampler'), schedule, ['Sampler', 'Schedule type']);
  builder.number('guidanceScale', fields.number('CFG scale'), 'CFG scale');
  builder.number('eta', fields.number('Eta'), 'Eta');
  const seed = fields.seed('Seed');
  if (seed !== undefined) settings.seed = seed;
  const size = /^(\d{1,6})x(\d{1,6})$/.exec(fields.text('Size') ?? '');
  if (size) builder.size(Number(size[1]), Number(size[2]), 'Size');
  const skip = fields.number('Clip skip');
  if (skip !== undefined) builder.number('clipSkip', Math.max(0, skip - 1), 'Clip skip');
  const variation = fields.number('Variation seed strength');
  const variationSeed = fields.seed('Variation seed');
  if (variation !== undefined && variation > 0) {
    builder.number('variationStrength', variation, 'Variation seed strength');
    if (settings.variationStrength !== undefined && variationSeed !== undefined) {
      settings.variationSeed = variationSeed;
    }
  }
}

/** What Fooocus made its prompt of; the prompt itself is what was drawn. */
const fooocusWords = ['Raw prompt', 'Raw negative prompt', 'Performance', 'Styles'];
/** Programs that draw their noise on the processor and do not say so. */
const onProcessor = new Set(['Fooocus', 'ComfyUI']);

/** The webui draws its noise on the graphics card unless it says otherwise. */
function readNoise(program: string, fields: Fields, builder: FoundRecipeBuilder): void {
  const { settings } = builder;
  const source = fields.text('RNG') ?? (onProcessor.has(program) ? 'CPU' : 'GPU');
  if (source === 'CPU') settings.noiseSource = 'cpu';
  else if (source === 'NV' || source === 'GPU') settings.noiseSource = 'cuda';
  else builder.refuse('RNG', source);
}

/** A strength is of the start picture, or of the second pass that makes the picture larger. */
function readStart(fields: Fields, builder: FoundRecipeBuilder): void {
  const names = fields.names();
  const isHires = names.some((name) => name.startsWith('Hires'));
  if (!names.includes('Denoising strength') || isHires) return;
  builder.number('strength', fields.number('Denoising strength'), 'Denoising strength');
  builder.startsFrom = names.some((name) => /^(Mask|Inpaint|Masked)/.test(name))
    ? 'picture and mask'
    : 'picture';
}

function readModels(fields: Fields, builder: FoundRecipeBuilder): void {
  builder.model = named(fields.text('Model'), fields.text('Model hash'));
  builder.vae = named(fields.text('VAE'), fields.text('VAE hash'));
  const hashes = new Map(pairs(fields.text('Lora hashes')));
  const weights = new Map(pairs(fields.text('Lora weights')));
  fields.drop('Hashes');
  builder.loras.forEach((lora, i) => {
    builder.loras[i] = { ...lora, hash: hashes.get(lora.name) };
  });
  const known = new Set(builder.loras.map(({ name }) => name));
  for (const [name, hash] of hashes) {
    if (known.has(name)) continue;
    const weight = Number(weights.get(name) ?? 1);
    builder.loras.push({ name, hash, weight: Number.isFinite(weight) ? weight : 1 });
  }
}

function named(name: string | undefined, hash: string | undefined): NamedFile | undefined {
  if (name === undefined && hash === undefined) return undefined;
  return { name: name ?? hash!, hash };
}

/** `name: hash, name: hash` */
function pairs(text: string | undefined): [string, string][] {
  return (text ?? '').split(',').flatMap((part): [string, string][] => {
    const at = part.lastIndexOf(':');
    return at <= 0 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).trim()]];
  });
}

function programOf(fields: Fields): { name: string; version?: string | undefined } {
  const version = fields.text('Version');
  const app = fields.text('App');
  const [, name, number] = /^([A-Z]\w+) ?(.*)$/.exec(version ?? '') ?? [];
  if (app !== undefined) return { name: app, version };
  if (name !== undefined) return { name, version: number === '' ? undefined : number };
  if (version !== undefined && /^f\d/.test(version)) return { name: 'Forge', version };
  return { name: 'AUTOMATIC1111', version };
}
