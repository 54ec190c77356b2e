/** @file Reads the metadata of Fooocus, NovelAI and SwarmUI. */
import { asList, asMap, asNumber, asText, Fields, type JsonMap } from './fields.js';
import { type FoundRecipe, FoundRecipeBuilder } from './found-settings.js';

/** The JSON Fooocus writes with its own scheme. */
export function readFooocus(object: JsonMap): FoundRecipe {
  const fields = new Fields(object);
  const builder = new FoundRecipeBuilder();
  const { settings } = builder;
  // What its styles and its language model made of the words is what was drawn.
  const [prompt, negative] = ['prompt', 'negative_prompt'].map(
    (name) => fullText(fields.list(`full_${name}`)) ?? fields.text(name),
  );
  fields.drop('prompt', 'negative_prompt');
  if (prompt !== undefined) settings.prompt = prompt;
  if (negative) settings.negativePrompt = negative;
  builder.number('steps', fields.number('steps'), 'steps');
  builder.sampler(fields.text('sampler'), fields.text('scheduler'), ['sampler', 'scheduler']);
  builder.number('guidanceScale', fields.number('guidance_scale'), 'guidance_scale');
  const seed = fields.seed('seed');
  if (seed !== undefined) settings.seed = seed;
  const size = /^\(?\s*'?(\d{1,6})'?\s*,\s*'?(\d{1,6})'?\s*\)?$/.exec(
    fields.text('resolution') ?? '',
  );
  if (size) builder.size(Number(size[1]), Number(size[2]), 'resolution');
  const skip = fields.number('clip_skip');
  if (skip !== undefined) builder.number('clipSkip', Math.max(0, skip - 1), 'clip_skip');
  settings.noiseSource = 'cpu';
  const name = fields.text('base_model');
  if (name !== undefined) builder.model = { name, hash: fields.text('base_model_hash') };
  const vae = fields.text('vae');
  if (vae !== undefined && !vae.startsWith('Default')) builder.vae = { name: vae };
  for (const lora of fields.list('loras') ?? []) {
    const [file, weight, hash] = asList(lora) ?? [];
    const called = asText(file);
    if (called !== undefined)
      builder.loras.push({ name: called, weight: asNumber(weight) ?? 1, hash: asText(hash) });
  }
  fields.drop(...fields.names().filter((field) => field.startsWith('lora_combined_')));
  // The others add a LoRA of their own.
  const isPlain = /^(Quality|Speed)$/.test(asText(object.get('performance')) ?? '');
  fields.drop(
    'styles',
    ...(isPlain ? ['performance'] : []),
    'metadata_scheme',
    'created_by',
    'prompt_expansion',
  );
  const version = fields.text('version')?.replace(/^Fooocus\s*/, '');
  fields.listRest(builder);
  return builder.finish('Fooocus', version);
}

function fullText(parts: ReturnType<typeof asList>): string | undefined {
  const texts = (parts ?? []).flatMap((part) => asText(part) ?? []);
  return texts.length === 0 ? undefined : texts.join(', ');
}

/** The `Comment` of a picture by NovelAI. */
export function readNovelAi(object: JsonMap, source: string | undefined): FoundRecipe {
  const fields = new Fields(object);
  const builder = new FoundRecipeBuilder();
  const { settings } = builder;
  const prompt = fields.text('prompt');
  const negative = fields.text('uc');
  if (prompt !== undefined) settings.prompt = prompt;
  if (negative) settings.negativePrompt = negative;
  settings.promptSyntax = 'plain';
  if (/[{}[\]]/.test(prompt ?? '')) {
    builder.warnings.push('NovelAI weighs words by {} and []; here they are read as they stand.');
  }
  builder.number('steps', fields.number('steps'), 'steps');
  builder.sampler(fields.text('sampler'), scheduleOf(fields), ['sampler', 'noise_schedule']);
  builder.number('guidanceScale', fields.number('scale'), 'scale');
  builder.number('guidanceRescale', fields.number('cfg_rescale'), 'cfg_rescale');
  builder.size(fields.number('width'), fields.number('height'), 'width, height');
  const seed = fields.seed('seed');
  if (seed !== undefined) settings.seed = seed;
  if (fields.text('request_type') === 'Img2ImgRequest') builder.startsFrom = 'picture';
  if (builder.startsFrom) builder.number('strength', fields.number('strength'), 'strength');
  if (source !== undefined) builder.model = { name: source };
  // Version 4 repeats the prompt there, and adds prompts of single characters.
  const prompts = ['v4_prompt', 'v4_negative_prompt'];
  fields.drop(...prompts.filter((name) => !hasCharacters(asMap(object.get(name)))));
  fields.drop('n_samples', 'signed_hash', 'request_type', 'version');
  fields.listRest(builder);
  return builder.finish('NovelAI');
}

function hasCharacters(prompt: JsonMap | undefined): boolean {
  const characters = asList(asMap(prompt?.get('caption'))?.get('char_captions'));
  return (characters ?? []).length > 0;
}

/** "native" is what the sampler has by itself. */
function scheduleOf(fields: Fields): string | undefined {
  const schedule = fields.text('noise_schedule');
  return schedule === 'native' ? undefined : schedule;
}

/** The JSON SwarmUI writes into the parameters; undefined when it is not that. */
export function readSwarm(object: JsonMap): FoundRecipe | undefined {
  const written = asMap(object.get('sui_image_params'));
  if (!written) return undefined;
  const fields = new Fields(written);
  const builder = new FoundRecipeBuilder();
  const { settings } = builder;
  const prompt = fields.text('prompt');
  const negative = fields.text('negativeprompt');
  if (prompt !== undefined) settings.prompt = prompt;
  if (negative) settings.negativePrompt = negative;
  builder.number('steps', fields.number('steps'), 'steps');
  builder.sampler(fields.text('sampler'), fields.text('scheduler'), ['sampler', 'scheduler']);
  builder.number('guidanceScale', fields.number('cfgscale'), 'cfgscale');
  builder.size(fields.number('width'), fields.number('height'), 'width, height');
  const seed = fields.seed('seed');
  if (seed !== undefined) settings.seed = seed;
  const creativity = fields.number('initimagecreativity');
  if (written.has('initimage') || creativity !== undefined) {
    builder.startsFrom = 'picture';
    builder.number('strength', creativity, 'initimagecreativity');
  }
  settings.noiseSource = 'cpu';
  const name = fields.text('model');
  if (name !== undefined) builder.model = { name };
  const weights = fields.list('loraweights') ?? [];
  (fields.list('loras') ?? []).forEach((lora, i) => {
    const file = asText(lora);
    if (file !== undefined) builder.loras.push({ name: file, weight: asNumber(weights[i]) ?? 1 });
  });
  const version = fields.text('swarm_version');
  fields.drop('aspectratio', 'images', 'batchsize', 'automaticvae', 'date', 'generation_time');
  fields.listRest(builder);
  return builder.finish('SwarmUI', version);
}
