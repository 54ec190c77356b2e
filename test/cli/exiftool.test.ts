/** @file ExifTool agrees with what we write, and a stranger who has only ExifTool can make the same picture again. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GeneratedImage, type Recipe, readRecipe, TextToImage } from '../../src/index.js';
import { infotext } from '../../src/pipelines/infotext.js';
import { encodePicture, pictureFormats } from '../../src/pipelines/provenance/encode-file.js';
import { recipeJson } from '../../src/pipelines/provenance/recipe.js';
import { generateOptionsOf } from '../../src/pipelines/provenance/replay.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

/** Runs ExifTool; a sentence why not where it cannot. */
function exiftool(...args: string[]): string {
  return execFileSync('perl', [script, ...args], { encoding: 'utf8', maxBuffer: 2 ** 24 });
}

const require = createRequire(createRequire(import.meta.url).resolve('exiftool-vendored'));
let script = '';
const missing = ((): string | undefined => {
  try {
    script = require.resolve('exiftool-vendored.pl/bin/exiftool');
    exiftool('-ver');
    return undefined;
  } catch {
    return 'perl, or the ExifTool of the development packages, is not here';
  }
})();

const prompt = 'a (red:1.2) fox,\n"quoted" 红苹果 🍎 <b>&';
const options = { seed: 2n ** 60n, steps: 2, width: 32, height: 24, negativePrompt: 'rain' };
let model: ReferenceFolder;
let pipe: TextToImage;
let picture: GeneratedImage;
let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'maliang-exiftool-'));
  model = referenceFolder('xl-single-encoder');
  pipe = await TextToImage.fromPretrained(model.path);
  [picture] = (await pipe.generate(prompt, options)).images as [GeneratedImage];
});
afterAll(async () => {
  await pipe.dispose();
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function fileOf(format: (typeof pictureFormats)[number], image = picture): Promise<string> {
  const path = join(folder, `a.${format}`);
  writeFileSync(path, (await encodePicture(image, { format })).bytes);
  return path;
}

it.for(pictureFormats)('reads everything in %s', async (format, context) => {
  context.skip(missing !== undefined, missing);
  const path = await fileOf(format);
  const [tags] = JSON.parse(exiftool('-j', '-G1', '-a', path)) as [Record<string, unknown>];
  const { alt, description } = picture.altText;
  const { version } = picture.recipe.program;
  const text = infotext(picture);
  expect(tags).toMatchObject({
    'XMP-iptcExt:DigitalSourceType':
      'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia',
    'XMP-iptcExt:AISystemUsed': 'Maliang',
    'XMP-iptcExt:AISystemVersionUsed': version,
    'XMP-iptcExt:AIPromptInformation': prompt,
    'XMP-xmp:CreatorTool': `Maliang ${version}`,
    'XMP-iptcCore:AltTextAccessibility': alt,
    'XMP-iptcCore:AltTextAccessibility-zh': alt,
    'XMP-iptcCore:ExtDescrAccessibility': description,
    ...(format === 'png'
      ? {
          'PNG:Parameters': text,
          'PNG:Maliang': recipeJson(picture.recipe),
          'PNG:AltText': alt,
          'PNG:Description': description,
        }
      : { 'ExifIFD:UserComment': text, 'XMP-maliang:Recipe': recipeJson(picture.recipe) }),
  });
  expect(exiftool('-validate', '-warning', '-a', path)).toMatch(/^Validate +: OK\n$/);
});

it.for(pictureFormats)(
  'a stranger makes the same picture again from %s',
  async (format, context) => {
    context.skip(missing !== undefined, missing);
    const tag = format === 'png' ? '-PNG:Maliang' : '-XMP-maliang:Recipe';
    const recipe: Recipe = readRecipe(exiftool('-b', tag, await fileOf(format)));
    expect(recipe).toEqual(picture.recipe);
    const again = await pipe.generate(recipe.prompt, generateOptionsOf(recipe));
    expect(again.images[0]!.pixels).toEqual(picture.pixels);
  },
);

it('the mark of a picture drawn from a picture', async (context) => {
  context.skip(missing !== undefined, missing);
  const start = { of: 'file', sha256: '0'.repeat(64), path: undefined } as const;
  const path = await fileOf('webp', { ...picture, recipe: { ...picture.recipe, start } });
  expect(exiftool('-s3', '-XMP:DigitalSourceType', path).trim()).toBe(
    'http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia',
  );
});
