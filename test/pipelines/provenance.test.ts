/** @file Recipes, alt text and the machine-made mark: what pictures carry at each level, in each format, and the way back. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referenceWeight } from '../../src/core/reference-weights.js';
import { floatTensor } from '../../src/core/tensor-data.js';
import { decodeImage } from '../../src/formats/image.js';
import { encodePng, readPngText } from '../../src/formats/png.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { picturePng } from '../../src/pipelines/picture-png.js';
import { describePicture } from '../../src/pipelines/provenance/alt-text.js';
import { encodePicture } from '../../src/pipelines/provenance/encode-file.js';
import { readPath, writtenPath } from '../../src/pipelines/provenance/home-path.js';
import type { MetadataLevel } from '../../src/pipelines/provenance/marks.js';
import { readProvenance } from '../../src/pipelines/provenance/read-provenance.js';
import { type Recipe, readRecipe, recipeJson } from '../../src/pipelines/provenance/recipe.js';
import {
  differencesOf,
  generateOptionsOf,
  modelOptionsOf,
} from '../../src/pipelines/provenance/replay.js';
import { type GeneratedImage, TextToImage } from '../../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { hashLike, someRecipe } from '../some-recipe.js';

const trained = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';
const composite = trained.replace('trained', 'compositeWithTrained');
const small = { width: 32, height: 24, steps: 2, seed: 7 };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let folder: ReferenceFolder;
let pipe: TextToImage;
let picture: GeneratedImage;
beforeAll(async () => {
  folder = referenceFolder('xl-single-encoder');
  pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
  const prompt = 'a (red:1.2) fox, 红苹果';
  const { images } = await pipe.generate(prompt, { ...small, negativePrompt: 'rain' });
  picture = images[0]!;
});
afterAll(async () => {
  await pipe.dispose();
  folder[Symbol.dispose]();
});

/** The same picture with other words about it. */
const withRecipe = (change: Partial<Recipe>): GeneratedImage => ({
  ...picture,
  recipe: { ...picture.recipe, ...change },
});

describe('the recipe', () => {
  it('has everything that made the picture', () => {
    const weights = readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
      .filter((name) => /[\\/].*\.safetensors$/.test(name))
      .map((name) => name.replaceAll('\\', '/'))
      .sort();
    const sums = weights.map(
      (name) => `${sha256(readFileSync(join(folder.path, name)))}  ${name}\n`,
    );
    expect(picture.recipe).toMatchObject({
      recipe: 1,
      program: { name: 'Maliang' },
      prompt: 'a (red:1.2) fox, 红苹果',
      negativePrompt: 'rain',
      promptSyntax: 'a1111',
      seed: 7,
      steps: 2,
      sampler: { name: null, class: 'DDIMScheduler' },
      width: 32,
      height: 24,
      model: { source: folder.path, sha256: sha256(Buffer.from(sums.join(''))) },
      run: {
        device: 'cpu',
        threads: 1,
        weights: 'f32',
        engine: expect.stringMatching(/^onnxruntime \d/),
      },
      pixels: sha256(picture.pixels),
    });
  });

  it('comes back from its JSON, whatever the words are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (prompt, seed, guidanceScale) => {
          const plain = seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
          const made = { ...someRecipe, prompt, seed: plain, guidanceScale: guidanceScale + 0 };
          const json = recipeJson(made);
          expect(readRecipe(json)).toEqual(made);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
          expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ['not JSON', '{', 'recipe: expected a string'],
    ['a list', '[]', 'recipe: expected it as an object'],
    [
      'a later version',
      recipeJson({ ...someRecipe, recipe: 9 }),
      'recipe: expected version 1, got 9. Update Maliang.',
    ],
    [
      'a wrong type',
      recipeJson(someRecipe).replace('"steps":20', '"steps":"20"'),
      'expected steps as a number',
    ],
    [
      'a size that would fill memory',
      recipeJson({ ...someRecipe, width: 1e9 }),
      'expected width as a number from 1 to 16384',
    ],
    [
      'a field that is missing',
      recipeJson(someRecipe).replace('"run":', '"fun":'),
      'expected run as an object',
    ],
    [
      'a hash that is none',
      recipeJson({ ...someRecipe, pixels: 'x' }),
      'expected pixels as 64 hexadecimal digits',
    ],
    [
      'names of JavaScript',
      recipeJson(someRecipe).replace('"model":{', '"__proto__":{'),
      'expected model as an object',
    ],
    [
      'a key twice',
      recipeJson(someRecipe).replace('"steps"', '"eta":0,"steps"'),
      'recipe: expected every key once',
    ],
  ])('%s is RECIPE', (_, json, message) => {
    expect(() => readRecipe(json)).toThrow(message);
    try {
      readRecipe(json);
    } catch (error) {
      expect(error).toMatchObject({ code: 'RECIPE', exitCode: 3 });
    }
  });

  it('draws the picture again, and says what differs when it does not', async () => {
    const again = await pipe.generate(
      picture.recipe.prompt,
      generateOptionsOf(readRecipe(recipeJson(picture.recipe))),
    );
    const [image] = again.images;
    expect(image!.pixels).toEqual(picture.pixels);
    expect(differencesOf(picture.recipe, image!.recipe)).toEqual([]);
    const other = {
      ...picture.recipe,
      program: { name: 'Maliang', version: '0.0.1' },
      seed: 8,
      run: { ...picture.recipe.run, threads: null },
    };
    expect(differencesOf(picture.recipe, other)).toEqual([
      { what: 'program.version', before: picture.recipe.program.version, now: '0.0.1' },
      { what: 'seed', before: '7', now: '8' },
      { what: 'run.threads', before: '1', now: 'null' },
    ]);
  });

  it('holds every option of a library call', async () => {
    const init = { width: 32, height: 24, channels: 3, data: picture.pixels } as const;
    const mask = encodePng({
      width: 32,
      height: 24,
      channels: 1,
      data: new Uint8Array(32 * 24).fill(255),
    });
    const options: GenerateOptions = {
      ...{
        ...small,
        init,
        mask,
        strength: 0.8,
        maskBlur: 1,
        eta: 0.5,
        emphasis: 'no-norm',
        promptSyntax: 'a1111',
      },
      ...{
        guidanceRescale: 0.3,
        guidanceScale: 2,
        clipSkip: 1,
        noiseSource: 'cuda',
        sampler: 'dpmpp_2m',
        schedule: 'karras',
      },
      ...{
        variationSeed: 2n ** 63n,
        variationStrength: 0.3,
        encodeMode: 'mode',
        fit: 'crop',
        originalSize: { width: 64, height: 48 },
      },
    };
    const { images } = await pipe.generate('a fox', { ...options, steps: 4 });
    const { recipe } = images[0]!;
    expect(recipe).toMatchObject({
      start: { of: 'pixels', sha256: sha256(init.data) },
      mask: { of: 'file', sha256: sha256(mask) },
      variation: { seed: 2n ** 63n, strength: 0.3 },
      sampler: { name: 'dpmpp_2m', class: 'DPMSolverMultistepScheduler' },
      sizes: { originalSize: { width: 64, height: 48 } },
    });
    const back = readRecipe(recipeJson(recipe));
    const again = await pipe.generate(back.prompt, { ...generateOptionsOf(back), init, mask });
    expect(again.images[0]!.pixels).toEqual(images[0]!.pixels);
    expect(differencesOf(back, again.images[0]!.recipe)).toEqual([]);
    const { latents } = images[0]!;
    const refined = await pipe.generate('a fox', {
      ...small,
      initLatents: latents,
      strength: 0.5,
      steps: 4,
    });
    expect(refined.images[0]!.recipe.start).toMatchObject({ of: 'latents' });
  });

  it('names what was added to the model by hash', async () => {
    const layer = 'unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q';
    const half = (name: string, ...shape: number[]) =>
      [`${layer}.${name}.weight`, floatTensor(referenceWeight(name, shape), shape)] as const;
    const bytes = writeSafetensors([half('lora_A', 2, 32), half('lora_B', 32, 2)]);
    const path = join(folder.path, 'ink.safetensors');
    writeFileSync(path, bytes);
    const lora = { path, weight: 0.5 };
    const vae = join(folder.path, 'vae');
    await using added = await TextToImage.fromPretrained(folder.path, { loras: [lora], vae });
    const { images } = await added.generate('a fox', small);
    const header = 8 + Number(Buffer.from(bytes).readBigUInt64LE(0));
    const { recipe } = images[0]!;
    expect(recipe.loras).toEqual([
      {
        path,
        weight: 0.5,
        textWeight: undefined,
        sha256: sha256(bytes),
        tensors: sha256(bytes.subarray(header)),
      },
    ]);
    expect(recipe.vae).toEqual({ path: vae, sha256: expect.stringMatching(/^[\da-f]{64}$/) });
    expect(recipe.model.sha256).not.toBe(picture.recipe.model.sha256); // without its autoencoder
    expect(modelOptionsOf(recipe)).toMatchObject({ loras: [lora], vae, device: 'cpu' });
    expect(readRecipe(recipeJson(recipe))).toEqual(recipe);
  });

  it('does not tell whose home a path is in, nor open network paths', () => {
    const inside = join(homedir(), 'models', 'a');
    expect(writtenPath(inside)).toBe('~/models/a');
    expect(readPath('~/models/a')).toBe(inside);
    expect(writtenPath(tmpdir())).toBe(tmpdir());
    expect(writtenPath(homedir())).toBe(homedir());
    for (const path of ['//server/share', '\\\\server\\share', '/\\server']) {
      expect(readPath(path)).toBeUndefined();
    }
  });
});

describe('what a file carries', () => {
  const formats = ['png', 'jpeg', 'webp'] as const;
  const levels: Record<MetadataLevel, (file: Awaited<ReturnType<typeof readProvenance>>) => void> =
    {
      full: (file) => {
        expect(file.recipe).toEqual(picture.recipe);
        expect(file.found).toMatchObject({ settings: { prompt: picture.prompt, seed: 7 } });
        expect(file.alt).toBe(picture.altText.alt);
        expect(file.description).toBe(picture.altText.description);
        expect(file.software).toBe(`Maliang ${picture.recipe.program.version}`);
      },
      minimal: (file) => {
        expect(file).toMatchObject({ recipe: undefined, found: undefined, alt: undefined });
        expect(file.software).toBe(`Maliang ${picture.recipe.program.version}`);
      },
      mark: (file) => {
        expect(file).toMatchObject({
          recipe: undefined,
          found: undefined,
          alt: undefined,
          software: undefined,
        });
      },
    };

  it.each(
    formats.flatMap((format) =>
      Object.entries(levels).map(([level, check]) => [format, level, check] as const),
    ),
  )('%s at level %s', async (format, level, check) => {
    const metadata = level as MetadataLevel;
    const { bytes, warnings } = await encodePicture(picture, { format, metadata });
    const file = await readProvenance(bytes);
    expect([warnings, file.warnings]).toEqual([[], []]);
    expect(file).toMatchObject({ format, width: 32, height: 24, digitalSourceType: trained });
    check(file);
    // Below full nothing that a person wrote is anywhere in the file.
    if (level !== 'full') expect(Buffer.from(bytes).includes('fox')).toBe(false);
    const { data } = await decodeImage(bytes, { channels: 3 });
    if (format === 'png') expect(data).toEqual(picture.pixels);
  });

  it('the webui’s text, a recipe, XMP and alt text are chunks of a PNG', () => {
    const texts = readPngText(picturePng(picture));
    expect(texts.map(({ keyword, kind }) => [keyword, kind])).toEqual([
      ['parameters', 'iTXt'],
      ['maliang', 'iTXt'],
      ['Software', 'tEXt'],
      ['AltText', 'iTXt'],
      ['Description', 'iTXt'],
      ['XML:com.adobe.xmp', 'iTXt'],
    ]);
  });

  it('a picture drawn from a picture is a composite; one from latents is not', async () => {
    const start = { of: 'file', sha256: hashLike('1'), path: undefined } as const;
    const type = async (change: Partial<Recipe>) =>
      (await readProvenance(picturePng(withRecipe(change), { metadata: 'mark' })))
        .digitalSourceType;
    expect(await type({ start })).toBe(composite);
    expect(await type({ start: { ...start, of: 'latents' } })).toBe(trained);
  });

  it('alt text that was given stays at every level', async () => {
    const altText = describePicture({ ...picture.recipe, model: 'm' }, { alt: 'A fox.' });
    for (const metadata of ['minimal', 'mark'] as const) {
      const file = await readProvenance(picturePng(picture, { metadata, altText }));
      expect(file).toMatchObject({ alt: 'A fox.', description: undefined });
    }
  });

  it('a recipe too long for a packet of a JPEG becomes its comment; what has no room is said', async () => {
    const long = withRecipe({ prompt: 'x'.repeat(40_000) });
    const { bytes, warnings } = await encodePicture(long, { format: 'jpeg' });
    const file = await readProvenance(bytes);
    expect(file.recipe?.prompt).toHaveLength(40_000);
    expect(file.digitalSourceType).toBe(trained);
    expect(warnings).toEqual([
      'jpeg: The infotext did not fit into the file and was left out; PNG and WebP have room.',
    ]);
    const huge = withRecipe({ prompt: '红'.repeat(40_000) });
    const cut = await encodePicture(huge, { format: 'jpeg' });
    expect(cut.warnings).toHaveLength(3);
    expect(await readProvenance(cut.bytes)).toMatchObject({
      recipe: undefined,
      digitalSourceType: trained,
    });
    const webp = await encodePicture(huge, { format: 'webp' });
    expect((await readProvenance(webp.bytes)).recipe?.prompt).toHaveLength(40_000);
  });

  it('words that would break the formats arrive whole in the recipe', async () => {
    const prompt = '\u001b[31m<b>&amp;]]>\u0000 "\\\n\u202e</x:xmpmeta><?xpacket end="w"?>';
    for (const format of formats) {
      const { bytes } = await encodePicture(withRecipe({ prompt }), { format });
      const file = await readProvenance(bytes);
      expect(file.recipe?.prompt ?? 'none').toBe(prompt);
      expect(file.warnings).toEqual([]);
    }
  });

  it('is refused where it makes no sense', async () => {
    await expect(encodePicture(picture, { quality: 80 })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(encodePicture(picture, { format: 'gif' as 'png' })).rejects.toThrow(
      'format: expected png, jpeg, webp, got gif',
    );
    await expect(encodePicture(picture, { metadata: 'none' as 'mark' })).rejects.toThrow(
      'metadata: expected full, minimal, mark',
    );
    await expect(encodePicture(picture, { format: 'jpeg', quality: 'lossless' })).rejects.toThrow(
      'a quality from 1 to 100 for JPEG',
    );
    await expect(encodePicture(picture, { format: 'webp', quality: 0 })).rejects.toMatchObject({
      code: 'IMAGE',
    });
  });
});

describe('alt text', () => {
  const about = {
    prompt: 'a (red:1.2) fox BREAK [snow] <lora:ink:1>',
    promptSyntax: 'a1111',
    model: 'm',
    width: 8,
    height: 4,
  } as const;

  it('is the prompt without its markers, said to be the prompt', () => {
    expect(describePicture(about)).toEqual({
      alt: 'Machine-made picture, prompt: a red fox, snow',
      description:
        'Drawn by Maliang with the model m, 8 by 4 pixels, from the prompt: a red fox, snow. The prompt is what was asked for; nobody has looked whether the picture shows it.',
      source: 'prompt',
      language: 'en',
    });
    expect(describePicture({ ...about, promptSyntax: 'plain' }).alt).toContain('(red:1.2)');
    expect(describePicture({ ...about, prompt: '' }).alt).toBe(
      'Machine-made picture without a prompt',
    );
  });

  it('speaks Chinese of Chinese prompts', () => {
    expect(describePicture({ ...about, prompt: '红苹果' })).toMatchObject({
      alt: '机器生成的图片，提示词：红苹果',
      language: 'zh',
    });
  });

  it('is the caption where there is one, with what is thought of it', () => {
    const text = describePicture(about, { caption: 'a fox on a hill', captionConfidence: 0.874 });
    expect(text).toMatchObject({ alt: 'a fox on a hill', source: 'caption' });
    expect(text.description).toContain('A captioning model sees: a fox on a hill (match 87 %).');
    expect(text.description).toContain('from the prompt: a red fox');
  });

  it('is what a person says, before all else, in at most 250 characters', () => {
    const given = describePicture(about, { alt: 'Mine\nalone', caption: 'c', description: 'd' });
    expect(given).toMatchObject({ alt: 'Mine alone', description: 'd', source: 'given' });
    const { alt } = describePicture({ ...about, prompt: 'word '.repeat(200) });
    expect(alt.length).toBeLessThanOrEqual(250);
    expect(alt).toMatch(/word…$/);
    const emoji = describePicture({ ...about, prompt: '🦊'.repeat(300) }).alt;
    expect(emoji.length).toBeLessThanOrEqual(250);
    expect(emoji).not.toMatch(/\p{Surrogate}/u);
  });

  it('can be given to a drawing', async () => {
    const { images } = await pipe.generate('a fox', { ...small, altText: { alt: 'A fox.' } });
    expect(images[0]!.altText).toMatchObject({ alt: 'A fox.', source: 'given' });
  });
});
