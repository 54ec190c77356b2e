/** @file Reads from a picture file how it was made, by whatever program, and what it says of itself. */
import { MaliangError } from '../../core/errors.js';
import type { ByteSource } from '../../formats/byte-source.js';
import { type PictureMetadata, readPictureMetadata } from '../../formats/picture-metadata.js';
import { readXmp, xmpNamespaces } from '../../formats/xmp.js';
import { readA1111 } from './a1111.js';
import { readComfyUi } from './comfyui.js';
import { readObject } from './fields.js';
import type { FoundRecipe, FoundSettings } from './found-settings.js';
import { readDream, readInvokeAi, readOldInvokeAi } from './invokeai.js';
import { readFooocus, readNovelAi, readSwarm } from './other-programs.js';
import { type Recipe, readRecipe, recipeKeyword } from './recipe.js';

export interface Provenance
  extends Pick<PictureMetadata, 'format' | 'width' | 'height' | 'frames' | 'texts' | 'hasC2pa'> {
  /** Maliang's own recipe. */
  readonly recipe: Recipe | undefined;
  /** The settings of any program, in our words. Undefined when the file says none that are known. */
  readonly found: FoundRecipe | undefined;
  readonly alt: string | undefined;
  readonly description: string | undefined;
  /** IPTC's code for where the picture is from, as written. */
  readonly digitalSourceType: string | undefined;
  /** The program, as XMP or EXIF name it. */
  readonly software: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads texts and headers, never pixels. Throws IMAGE for what is no PNG, JPEG or WebP file; damage
 * and what is too large become warnings that begin with `where`.
 */
export async function readProvenance(
  picture: Uint8Array | ByteSource,
  where = 'readProvenance',
): Promise<Provenance> {
  const metadata = await readPictureMetadata(picture, where);
  const { format, width, height, frames, texts, hasC2pa } = metadata;
  const warnings = [...metadata.warnings];
  const warn = (message: string): void => {
    warnings.push(`${where}: ${message}`);
  };
  const xmp = xmpValues(metadata, warn);
  const said = (name: string): string | undefined => xmp.get(name)?.[0] || undefined;
  const text = (...keywords: string[]): string | undefined =>
    texts.find(({ keyword }) => keywords.includes(keyword))?.text;
  const recipe = ownRecipe(metadata, said(`${xmpNamespaces.maliang}Recipe`), warn);
  if (frames > 1) warn(`an animation of ${frames} frames.`);
  return {
    ...{ format, width, height, frames, texts, hasC2pa },
    recipe,
    found: recipe ? foundInRecipe(recipe) : foundElsewhere(metadata),
    alt: said(`${xmpNamespaces.Iptc4xmpCore}AltTextAccessibility`) ?? text('AltText'),
    description: said(`${xmpNamespaces.Iptc4xmpCore}ExtDescrAccessibility`),
    digitalSourceType: said(`${xmpNamespaces.Iptc4xmpExt}DigitalSourceType`),
    software: said(`${xmpNamespaces.xmp}CreatorTool`) ?? text('Software'),
    warnings,
  };
}

function xmpValues(
  { xmp }: PictureMetadata,
  warn: (message: string) => void,
): ReadonlyMap<string, readonly string[]> {
  try {
    return xmp === undefined ? new Map() : readXmp(xmp);
  } catch (error) {
    if (!(error instanceof MaliangError)) throw error;
    warn(`the XMP packet is broken and not read: ${error.message}`);
    return new Map();
  }
}

/** From the chunk of a PNG, the XMP packet, or the comment of a JPEG. */
function ownRecipe(
  { texts }: PictureMetadata,
  inXmp: string | undefined,
  warn: (message: string) => void,
): Recipe | undefined {
  const chunk = texts.find(({ keyword }) => keyword === recipeKeyword)?.text;
  const comment = texts.find(({ place, text }) => place === 'COM' && text.startsWith('{"recipe":'));
  for (const json of [chunk, inXmp, comment?.text]) {
    if (json === undefined) continue;
    try {
      return readRecipe(json);
    } catch (error) {
      if (!(error instanceof MaliangError)) throw error;
      warn(`${error.message}`);
    }
  }
  return undefined;
}

/** The first program whose texts are there and can be read. */
function foundElsewhere({ texts }: PictureMetadata): FoundRecipe | undefined {
  const text = (keyword: string): string | undefined =>
    texts.find((one) => one.keyword === keyword)?.text;
  const exif = (keyword: string, prefix: string): string | undefined => {
    const found = texts.find((one) => one.place === 'EXIF' && one.keyword === keyword)?.text;
    return found?.toLowerCase().startsWith(prefix) ? found.slice(prefix.length) : undefined;
  };
  const invoke = text('invokeai_metadata');
  const old = text('sd-metadata');
  const dream = text('Dream') ?? text('dream');
  const graph = text('prompt') ?? exif('Model', 'prompt:') ?? exif('Make', 'prompt:');
  const workflow =
    text('workflow') ?? exif('Make', 'workflow:') ?? exif('ImageDescription', 'workflow:');
  return (
    (invoke === undefined ? undefined : readInvokeAi(invoke)) ??
    (old === undefined ? undefined : readOldInvokeAi(old)) ??
    (dream === undefined ? undefined : readDream(dream)) ??
    novelAi(text) ??
    (graph === undefined && workflow === undefined ? undefined : readComfyUi(graph, workflow)) ??
    inParameters(text)
  );
}

type TextOf = (keyword: string) => string | undefined;

function novelAi(text: TextOf): FoundRecipe | undefined {
  const object = readObject(text('Comment') ?? '');
  const isNovelAi = text('Software') === 'NovelAI' || object?.has('signed_hash');
  return object && isNovelAi ? readNovelAi(object, text('Source')) : undefined;
}

/** Readers of the webui look into EXIF first. */
function inParameters(text: TextOf): FoundRecipe | undefined {
  for (const keyword of ['UserComment', 'parameters', 'Comment', 'ImageDescription']) {
    const parameters = text(keyword);
    if (parameters === undefined) continue;
    const object = readObject(parameters);
    const found = object
      ? (readSwarm(object) ?? (isFooocus(object) ? readFooocus(object) : undefined))
      : readA1111(parameters);
    if (found) return found;
  }
  return undefined;
}

function isFooocus(object: ReadonlyMap<string, unknown>): boolean {
  return object.has('base_model') || object.get('metadata_scheme') === 'fooocus';
}

/** The part of our own recipe that other programs have words for too. */
function foundInRecipe(recipe: Recipe): FoundRecipe {
  const { variation, sampler, model, vae, start, mask } = recipe;
  const settings: { [K in keyof FoundSettings]: FoundSettings[K] | undefined } = {
    prompt: recipe.prompt,
    negativePrompt: recipe.negativePrompt ?? undefined,
    promptSyntax: recipe.promptSyntax,
    emphasis: recipe.emphasis,
    seed: recipe.seed,
    variationSeed: variation?.seed,
    variationStrength: variation?.strength,
    steps: recipe.steps,
    sampler: sampler.name ?? sampler.class,
    schedule: recipe.schedule ?? undefined,
    guidanceScale: recipe.guidanceScale,
    guidanceRescale: recipe.guidanceRescale,
    eta: recipe.eta,
    width: recipe.width,
    height: recipe.height,
    clipSkip: recipe.clipSkip,
    noiseSource: recipe.noiseSource,
    strength: recipe.strength,
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const isLatent = start?.of === 'latents';
  return {
    program: recipe.program,
    settings: Object.fromEntries(given) as FoundSettings,
    model: { name: model.name, hash: model.sha256 },
    vae: vae && { name: vae.path, hash: vae.sha256 },
    loras: (recipe.loras ?? []).map(({ path, weight, sha256 }) => ({
      name: path,
      weight,
      hash: sha256,
    })),
    startsFrom: start && !isLatent ? (mask ? 'picture and mask' : 'picture') : undefined,
    notHonoured: isLatent ? [{ field: 'start', value: 'latents, which no file holds' }] : [],
    warnings: [],
  };
}
