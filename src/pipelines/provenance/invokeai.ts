/** @file Reads the metadata of InvokeAI: `invokeai_metadata` (3 and later), `sd-metadata` and `Dream` (2). */

import type { StrictJson } from '../../formats/strict-json.js';
import { asList, asMap, asNumber, asText, Fields, type JsonMap, readObject } from './fields.js';
import { type FoundRecipe, FoundRecipeBuilder, type NamedFile } from './found-settings.js';

/** Settings of InvokeAI 3 and later; undefined when the text is not that. */
export function readInvokeAi(text: string): FoundRecipe | undefined {
  const object = readObject(text);
  if (!object) return undefined;
  const fields = new Fields(object);
  const builder = new FoundRecipeBuilder();
  const { settings } = builder;
  const prompt = fields.text('positive_prompt');
  const negative = fields.text('negative_prompt');
  if (prompt !== undefined) settings.prompt = prompt;
  if (negative) settings.negativePrompt = negative;
  readDrawing(fields, builder, 'scheduler');
  builder.number(
    'guidanceRescale',
    fields.number('cfg_rescale_multiplier'),
    'cfg_rescale_multiplier',
  );
  const skip = fields.number('clip_skip') ?? fields.number('skipped_layers');
  builder.number('clipSkip', skip, 'clip_skip');
  settings.noiseSource = fields.text('rand_device') === 'cuda' ? 'cuda' : 'cpu';
  builder.model = modelOf(fields.map('model'));
  builder.vae = modelOf(fields.map('vae'));
  for (const lora of fields.list('loras') ?? []) builder.loras.push(...loraOf(lora));
  readStart(fields, builder);
  const version = fields.text('app_version');
  fields.drop('generation_mode');
  warnOfWeights(builder);
  fields.listRest(builder);
  return builder.finish('InvokeAI', version);
}

function readDrawing(fields: Fields, builder: FoundRecipeBuilder, sampler: string): void {
  const seed = fields.seed('seed');
  if (seed !== undefined) builder.settings.seed = seed;
  builder.number('steps', fields.number('steps'), 'steps');
  builder.number('guidanceScale', fields.number('cfg_scale'), 'cfg_scale');
  builder.size(fields.number('width'), fields.number('height'), 'width, height');
  builder.sampler(fields.text(sampler), undefined, [sampler, sampler]);
}

function readStart(fields: Fields, builder: FoundRecipeBuilder): void {
  const strength = fields.number('strength');
  const init = fields.text('init_image');
  if (init === undefined) return;
  builder.number('strength', strength, 'strength');
  builder.startsFrom = 'picture';
  builder.refuse('init_image', init);
}

/** Names moved: `model_name` in 3, `name` and `hash` since 4. */
function modelOf(model: JsonMap | undefined): NamedFile | undefined {
  const name = asText(model?.get('name')) ?? asText(model?.get('model_name'));
  return name === undefined ? undefined : { name, hash: asText(model?.get('hash')) };
}

function loraOf(value: StrictJson): NamedFile[] {
  const lora = asMap(value);
  const model = modelOf(asMap(lora?.get('model')) ?? asMap(lora?.get('lora')));
  return model ? [{ ...model, weight: asNumber(lora?.get('weight')) ?? 1 }] : [];
}

/** Compel's weights, `word++` and `(two words)1.3`, are not the webui's. */
function warnOfWeights({ settings, warnings }: FoundRecipeBuilder): void {
  settings.promptSyntax = 'plain';
  if (/[\w)"'][+-]{1,10}(?:\s|,|$)|\)\d|\.(?:blend|and|swap)\(/.test(settings.prompt ?? '')) {
    warnings.push('InvokeAI weighs words by + and -; here they are read as they stand.');
  }
}

/** Settings of InvokeAI 2; undefined when the text is not that. */
export function readOldInvokeAi(text: string): FoundRecipe | undefined {
  const object = readObject(text);
  const image = asMap(object?.get('image'));
  if (!object || !image) return undefined;
  const fields = new Fields(image);
  const builder = new FoundRecipeBuilder();
  readDrawing(fields, builder, 'sampler');
  const prompts = fields.list('prompt');
  const words = prompts
    ? prompts.map((one) => asText(asMap(one)?.get('prompt')) ?? '').join(' ')
    : fields.text('prompt');
  splitPrompt(words ?? '', builder);
  if ((asList(image.get('variations')) ?? []).length === 0) fields.drop('variations');
  if (fields.text('type') === 'img2img') builder.startsFrom = 'picture';
  if (builder.startsFrom) builder.number('strength', fields.number('strength'), 'strength');
  for (const name of ['threshold', 'perlin'])
    if (asNumber(image.get(name)) === 0) fields.drop(name);
  builder.settings.noiseSource = 'cpu';
  const name = asText(object.get('model_weights'));
  builder.model = name === undefined ? undefined : { name, hash: asText(object.get('model_hash')) };
  fields.listRest(builder);
  return builder.finish('InvokeAI', asText(object.get('app_version')));
}

/** In version 2 the negative prompt stands in square brackets. */
function splitPrompt(text: string, builder: FoundRecipeBuilder): void {
  const negative: string[] = [];
  const words = text.replace(/\[([^[\]]*)\]/g, (_, inside: string) => {
    negative.push(inside);
    return '';
  });
  builder.settings.prompt = words.trim();
  builder.settings.promptSyntax = 'plain';
  if (negative.length > 0) builder.settings.negativePrompt = negative.join(' ');
}

const dreamOptions: Readonly<Record<string, string>> = {
  s: 'steps',
  S: 'seed',
  W: 'width',
  H: 'height',
  C: 'cfg_scale',
  A: 'sampler',
};

/** Settings of a `Dream` line: `"a cat [ugly]" -s 50 -S 1234 -W 512 -H 512 -C 7.5 -A k_lms`. */
export function readDream(text: string): FoundRecipe | undefined {
  const [, quoted, bare, rest] =
    /^\s*(?:"((?:\\.|[^"\\]){0,4000})"|([^"-][^"]{0,4000}?))((?:\s+-.*)?)$/s.exec(
      text.slice(0, 8_000),
    ) ?? [];
  if (rest === undefined || rest === '') return undefined;
  const given = new Map<string, string>();
  for (const [, flag, value] of rest.matchAll(
    /\s-{1,2}([A-Za-z]\w{0,30})[\s=]?([^\s-]\S{0,200})?/g,
  )) {
    given.set(dreamOptions[flag!] ?? flag!, value ?? 'true');
  }
  const fields = new Fields(given);
  const builder = new FoundRecipeBuilder();
  splitPrompt((quoted ?? bare ?? '').replaceAll('\\"', '"'), builder);
  readDrawing(fields, builder, 'sampler');
  builder.settings.noiseSource = 'cpu';
  fields.listRest(builder);
  return builder.finish('InvokeAI');
}
