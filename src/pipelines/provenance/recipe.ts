/** @file The recipe Maliang writes into its pictures: everything that made them, as versioned JSON; docs/provenance.md. */
import { complain, MaliangError } from '../../core/errors.js';
import { parseStrictJson, type StrictJson } from '../../formats/strict-json.js';
import { devices } from '../../runtime/devices.js';
import { asMap, asNumber } from './fields.js';
import {
  either,
  hash,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  type Read,
  seed,
  text,
  whole,
} from './json-schema.js';

/** Keyword of the text chunk in a PNG, and prefix of the XMP property elsewhere. */
export const recipeKeyword = 'maliang';
/** Raised when a reader of the old form would draw another picture. */
const schemaVersion = 1;

const name = text(1000);
const path = text(4096);
const side = whole(1, 16_384);
const share = number(0, 1);
const size = object({ width: whole(0, 1e6), height: whole(0, 1e6) });
const corner = object({ top: whole(0, 1e6), left: whole(0, 1e6) });
const score = number(0, 100);

/** A picture or latents the drawing started from; `of` says what was hashed. */
const startFile = object({
  of: oneOf('file', 'pixels', 'latents'),
  sha256: hash,
  path: optional(path),
});

/** What a schema version holds, in the order it is written. */
const recipe = object({
  recipe: whole(schemaVersion, schemaVersion),
  program: object({ name, version: text(100) }),
  prompt: text(),
  negativePrompt: nullable(text()),
  promptSyntax: oneOf('a1111', 'plain'),
  emphasis: oneOf('original', 'no-norm', 'ignore', 'none'),
  seed,
  variation: optional(object({ seed, strength: share })),
  steps: whole(1, 1e6),
  sampler: object({ name: nullable(name), class: name }),
  schedule: nullable(name),
  guidanceScale: number(0, 1e6),
  guidanceRescale: share,
  eta: share,
  clipSkip: whole(0, 1000),
  maxSequenceLength: whole(1, 512),
  noiseSource: oneOf('cpu', 'cuda'),
  width: side,
  height: side,
  start: optional(startFile),
  mask: optional(either(oneOf('alpha'), startFile)),
  strength: optional(share),
  encodeMode: optional(oneOf('sample', 'mode')),
  fit: optional(oneOf('stretch', 'fill', 'crop')),
  maskBlur: optional(number(0, 1000)),
  onlyMasked: optional(whole(0, 16_384)),
  denoisingStart: optional(share),
  denoisingEnd: optional(share),
  tiling: optional(oneOf('never', 'always')),
  /** What the fast mode leaves out; `decoder` draws the picture in place of the model's own. */
  fast: optional(
    object({
      guidedFrom: share,
      guidedTo: share,
      interval: whole(1, 100),
      branch: whole(0, 1000),
      decoder: optional(path),
    }),
  ),
  sizes: optional(
    object({
      originalSize: optional(size),
      cropTopLeft: optional(corner),
      targetSize: optional(size),
      negativeOriginalSize: optional(size),
      negativeCropTopLeft: optional(corner),
      negativeTargetSize: optional(size),
      aestheticScore: optional(score),
      negativeAestheticScore: optional(score),
    }),
  ),
  model: object({
    name,
    source: path,
    commit: optional(text(100)),
    variant: optional(text(100)),
    config: optional(path),
    predictionType: optional(oneOf('epsilon', 'v_prediction', 'sample')),
    sha256: hash,
    settings: hash,
  }),
  vae: optional(object({ path, sha256: hash })),
  loras: optional(
    list(
      object({
        path,
        weight: number(-1e6, 1e6),
        textWeight: optional(number(-1e6, 1e6)),
        sha256: hash,
        tensors: hash,
      }),
    ),
  ),
  embeddings: optional(list(object({ path, token: optional(name), sha256: hash }))),
  run: object({
    device: oneOf(...devices),
    threads: nullable(whole(1, 1024)),
    memory: optional(oneOf('low')),
    precision: optional(oneOf('int8')),
    cores: whole(1, 1e6),
    platform: text(100),
    engine: text(100),
    weights: text(100),
  }),
  pixels: hash,
});

/** Everything a picture was made of. */
export type Recipe = Read<typeof recipe>;

/**
 * JSON on one line. Control characters and marks that reorder text are escaped, so that it can be
 * shown and put into XML.
 */
export function recipeJson(made: Recipe): string {
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? `${value}` : value;
  return escapedJson(JSON.stringify(made, plain));
}

/** JSON text whose strings hold no character that may steer a terminal. */
export function escapedJson(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Reads what `recipeJson` wrote. Throws RECIPE for damage, and for versions yet to come. */
export function readRecipe(json: string): Recipe {
  const value = parsed(json);
  const version = asNumber(asMap(value)?.get('recipe'));
  if (version !== undefined && version > schemaVersion) {
    throw complain('RECIPE', {
      where: 'recipe',
      expected: `version ${schemaVersion}`,
      got: `${version}`,
      next: 'Update Maliang.',
    });
  }
  return recipe(value, '');
}

function parsed(json: string): StrictJson {
  try {
    return parseStrictJson(json, { where: 'recipe', code: 'RECIPE', maxDepth: 16 });
  } catch (error) {
    if (error instanceof RangeError) throw new MaliangError('RECIPE', 'recipe: too large.', error);
    throw error;
  }
}
