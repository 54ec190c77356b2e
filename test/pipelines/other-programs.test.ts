/** @file Settings in pictures of other programs, in our words; what cannot be followed is listed; hostile texts do no harm. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeExif } from '../../src/formats/exif.js';
import { encodeImage } from '../../src/formats/image.js';
import { withJpegMetadata } from '../../src/formats/jpeg-metadata.js';
import { encodePng } from '../../src/formats/png.js';
import { withWebpMetadata } from '../../src/formats/webp-metadata.js';
import { infotext } from '../../src/pipelines/infotext.js';
import { readA1111, readInfotext } from '../../src/pipelines/provenance/a1111.js';
import { readComfyUi } from '../../src/pipelines/provenance/comfyui.js';
import { readProvenance } from '../../src/pipelines/provenance/read-provenance.js';
import { exifBlock } from '../exif-block.js';
import { someRecipe } from '../some-recipe.js';

const pixel = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) } as const;
const png = (texts: Record<string, string>): Uint8Array =>
  encodePng({
    ...pixel,
    text: Object.entries(texts).map(([keyword, text]) => ({ keyword, text })),
  });
const found = async (texts: Record<string, string>) => (await readProvenance(png(texts))).found;

describe('AUTOMATIC1111', () => {
  const text = `a (red:1.2) fox, "quoted", <lora:style_v2:0.8>
second line: with a colon, Negative prompt: inside
Negative prompt: blurry, low quality
two lines
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 4294967295, Size: 832x1216, Model hash: 31e35c80fc, Model: sd_xl_base_1.0, VAE hash: 235745af8d, VAE: sdxl_vae.safetensors, Variation seed: 12, Variation seed strength: 0.1, Clip skip: 2, Emphasis: No norm, RNG: CPU, Lora hashes: "style_v2: 8f7ef3c2d1a0", Dynamic thresholding enabled: True, ControlNet 0: "Module: canny, Model: control_canny [abc], Weight: 1", Version: v1.9.4`;

  it('is read, quotes, lines and LoRAs included', async () => {
    expect(await found({ parameters: text })).toEqual({
      program: { name: 'AUTOMATIC1111', version: 'v1.9.4' },
      settings: {
        prompt: 'a (red:1.2) fox, "quoted", \nsecond line: with a colon, Negative prompt: inside',
        negativePrompt: 'blurry, low quality\ntwo lines',
        promptSyntax: 'a1111',
        emphasis: 'no-norm',
        seed: 4294967295,
        steps: 28,
        sampler: 'DPM++ 2M',
        schedule: 'Karras',
        guidanceScale: 6.5,
        width: 832,
        height: 1216,
        clipSkip: 1,
        variationSeed: 12,
        variationStrength: 0.1,
        noiseSource: 'cpu',
      },
      model: { name: 'sd_xl_base_1.0', hash: '31e35c80fc' },
      vae: { name: 'sdxl_vae.safetensors', hash: '235745af8d' },
      loras: [{ name: 'style_v2', weight: 0.8, hash: '8f7ef3c2d1a0' }],
      startsFrom: undefined,
      notHonoured: [
        { field: 'Dynamic thresholding enabled', value: 'True' },
        { field: 'ControlNet 0', value: 'Module: canny, Model: control_canny [abc], Weight: 1' },
      ],
      warnings: [],
    });
  });

  it('a strength belongs to the second pass where there is one, else to a picture', () => {
    const line =
      'a\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Denoising strength: 0.5';
    const hires = readA1111(`${line}, Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent`)!;
    expect(hires.settings.strength).toBeUndefined();
    expect(hires.startsFrom).toBeUndefined();
    expect(hires.notHonoured.map(({ field }) => field)).toEqual([
      'Denoising strength',
      'Hires upscale',
      'Hires steps',
      'Hires upscaler',
    ]);
    expect(readA1111(line)).toMatchObject({ settings: { strength: 0.5 }, startsFrom: 'picture' });
    expect(readA1111(`${line}, Mask blur: 4`)).toMatchObject({ startsFrom: 'picture and mask' });
  });

  it('noise is the graphics card’s unless the file says otherwise', () => {
    const line = 'a\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1';
    expect(readA1111(line)!.settings.noiseSource).toBe('cuda');
    expect(readA1111(`${line}, RNG: NV`)!.settings.noiseSource).toBe('cuda');
    expect(readA1111(`${line}, RNG: CPU`)!.settings.noiseSource).toBe('cpu');
  });

  it('older names of samplers hold the schedule; unknown ones are listed', () => {
    const line = (rest: string) => readA1111(`a\nSteps: 20, CFG scale: 7, Seed: 1, ${rest}`)!;
    expect(line('Sampler: DPM++ 2M SDE Karras').settings).toMatchObject({
      sampler: 'DPM++ 2M SDE Karras',
    });
    expect(line('Sampler: Restart, Schedule type: Turbo')).toMatchObject({
      settings: expect.not.objectContaining({ sampler: expect.anything() }),
      notHonoured: [
        { field: 'Schedule type', value: 'Turbo' },
        { field: 'Sampler', value: 'Restart' },
      ],
    });
  });

  it('values a drawing cannot have are listed, not taken', () => {
    const { settings, notHonoured } = readA1111(
      'a\nSteps: 99999999, CFG scale: 1e9, Seed: -5, Size: 99999x99999, Clip skip: abc',
    )!;
    expect(settings).toEqual({ prompt: 'a', promptSyntax: 'a1111', noiseSource: 'cuda' });
    expect(notHonoured.map(({ field }) => field)).toEqual([
      'Steps',
      'CFG scale',
      'Size',
      'Size',
      'Seed',
      'Clip skip',
    ]);
  });

  it('names the program that wrote alike', () => {
    const name = (rest: string) =>
      readA1111(`a\nSteps: 1, Seed: 1, Sampler: Euler, ${rest}`)!.program;
    expect(name('Version: f2.0.1v1.10.1-previous-636')).toEqual({
      name: 'Forge',
      version: 'f2.0.1v1.10.1-previous-636',
    });
    expect(name('Version: ComfyUI')).toEqual({ name: 'ComfyUI' });
    expect(name('App: SD.Next, Version: 8ba3bfa')).toEqual({ name: 'SD.Next', version: '8ba3bfa' });
    expect(name('Version: Fooocus v2.5.5')).toEqual({ name: 'Fooocus', version: 'v2.5.5' });
  });

  it('is read from EXIF first, as the webui does', async () => {
    const exif = writeExif({ comment: text, software: 'x', width: 1, height: 1 });
    const jpeg = withJpegMetadata(await encodeImage(pixel, { format: 'jpeg', quality: 90 }), {
      exif,
    });
    const { found: recipe } = await readProvenance(jpeg);
    expect(recipe).toEqual(await found({ parameters: text }));
  });

  it('a text without settings says nothing', async () => {
    for (const parameters of ['a fox', 'a fox\nSteps: 4, Seed: 1', '', '{"a":1}', '[]']) {
      expect(await found({ parameters })).toBeUndefined();
    }
  });
});

describe('our own infotext', () => {
  /** What the form can hold: no outer space, no line that looks like another part. */
  const prompts = fc
    .array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 })
    .map((lines) =>
      lines
        .map((line) => line.replace(/[\r\n\0\u2028\u2029<>]/g, ''))
        .join('\n')
        .trim(),
    )
    .filter((text) => text !== '' && !/^\s*Negative prompt:/m.test(text));

  it('comes back', () => {
    fc.assert(
      fc.property(
        prompts,
        prompts,
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.string(),
        (prompt, negativePrompt, seed, name) => {
          const model = { ...someRecipe.model, name: `m${name.replace(/[\r\n\0]/g, '').trim()}` };
          const recipe = { ...someRecipe, prompt, negativePrompt, seed, model };
          const back = readA1111(infotext({ recipe }))!;
          expect(back.program).toEqual({ name: 'Maliang', version: '0.1.0' });
          expect(back.settings).toMatchObject({
            prompt,
            negativePrompt,
            steps: 20,
            guidanceScale: 3.5,
          });
          expect(BigInt(back.settings.seed!)).toBe(seed);
          expect(back.settings).toMatchObject({ width: 8, height: 4, sampler: 'Euler' });
          if (!name.includes('.safetensors'))
            expect(back.model!.name.trim()).toBe(model.name.trim());
          expect(back.notHonoured).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is ambiguous where the form is, which is why there is a recipe beside it', () => {
    const prompt = 'a\nNegative prompt: b';
    const text = infotext({ recipe: { ...someRecipe, prompt } });
    expect(readInfotext(text)).toMatchObject({ prompt: 'a', negativePrompt: 'b' });
    expect(readInfotext(`x\n${'Steps: 1, Seed: 2, Size: 3'}`).prompt).toBe('x');
  });
});

describe('ComfyUI', () => {
  const node = (class_type: string, inputs: Record<string, unknown>) => ({ class_type, inputs });
  const basic = {
    3: node('KSampler', {
      seed: 156680208700286,
      steps: 20,
      cfg: 8,
      sampler_name: 'dpmpp_2m',
      scheduler: 'karras',
      denoise: 1,
      model: ['10', 0],
      positive: ['6', 0],
      negative: ['7', 0],
      latent_image: ['5', 0],
    }),
    4: node('CheckpointLoaderSimple', { ckpt_name: 'v1-5.safetensors' }),
    5: node('EmptyLatentImage', { width: 512, height: 768, batch_size: 1 }),
    6: node('CLIPTextEncode', { text: 'a (glass:1.2) bottle', clip: ['11', 0] }),
    7: node('CLIPTextEncode', { text: 'text, watermark', clip: ['11', 0] }),
    8: node('VAEDecode', { samples: ['3', 0], vae: ['4', 2] }),
    9: node('SaveImage', { filename_prefix: 'x', images: ['8', 0] }),
    10: node('LoraLoader', {
      lora_name: 'ink.safetensors',
      strength_model: 0.7,
      strength_clip: 0.5,
      model: ['12', 0],
      clip: ['4', 1],
    }),
    11: node('CLIPSetLastLayer', { stop_at_clip_layer: -2, clip: ['10', 1] }),
    12: node('FreeU_V2', { b1: 1.3, model: ['4', 0] }),
  };

  it('is read along the links', async () => {
    const recipe = await found({ prompt: JSON.stringify(basic), workflow: '{}' });
    expect(recipe).toEqual({
      program: { name: 'ComfyUI', version: undefined },
      settings: {
        prompt: 'a (glass:1.2) bottle',
        negativePrompt: 'text, watermark',
        promptSyntax: 'a1111',
        seed: 156680208700286,
        steps: 20,
        guidanceScale: 8,
        sampler: 'dpmpp_2m',
        schedule: 'karras',
        width: 512,
        height: 768,
        clipSkip: 1,
        noiseSource: 'cpu',
      },
      model: { name: 'v1-5.safetensors' },
      vae: undefined,
      loras: [{ name: 'ink.safetensors', weight: 0.7 }],
      startsFrom: undefined,
      notHonoured: [
        { field: 'LoraLoader strength_clip', value: '0.5' },
        { field: 'FreeU_V2 12', value: 'b1 1.3' },
      ],
      warnings: ['ComfyUI weighs words by another rule than the webui’s, which is used here.'],
    });
  });

  it('of two passes the first is taken and the other listed', () => {
    const second = node('KSampler', {
      ...basic[3].inputs,
      seed: 5,
      denoise: 0.5,
      latent_image: ['21', 0],
    });
    const graph = {
      20: second,
      21: node('LatentUpscale', { samples: ['3', 0], width: 1024 }),
      ...basic,
    };
    const recipe = readComfyUi(JSON.stringify(graph), undefined)!;
    expect(recipe.settings.seed).toBe(156680208700286);
    expect(recipe.notHonoured).toContainEqual({ field: 'KSampler 20', value: 'another pass' });
  });

  it('samplers made of parts, and values that nodes hold', () => {
    const graph = {
      1: node('SamplerCustomAdvanced', {
        noise: ['2', 0],
        guider: ['3', 0],
        sampler: ['4', 0],
        sigmas: ['5', 0],
        latent_image: ['6', 0],
      }),
      2: node('RandomNoise', { noise_seed: ['7', 0] }),
      3: node('CFGGuider', { cfg: 4.5, model: ['8', 0], positive: ['9', 0], negative: ['10', 0] }),
      4: node('KSamplerSelect', { sampler_name: 'euler' }),
      5: node('BasicScheduler', { scheduler: 'simple', steps: 28, denoise: 1, model: ['8', 0] }),
      6: node('EmptySD3LatentImage', { width: ['11', 0], height: 1024, batch_size: 1 }),
      7: node('Seed (rgthree)', { seed: 77 }),
      8: node('UNETLoader', { unet_name: 'sd3.5.safetensors' }),
      9: node('FluxGuidance', { conditioning: ['12', 0], guidance: 3.5 }),
      10: node('ConditioningZeroOut', { conditioning: ['12', 0] }),
      11: node('PrimitiveInt', { value: 832 }),
      12: node('CLIPTextEncodeSD3', {
        clip_l: 'a fox',
        clip_g: 'a fox',
        t5xxl: 'a fox in detail',
        clip: ['13', 0],
      }),
      13: node('TripleCLIPLoader', {}),
    };
    expect(readComfyUi(JSON.stringify(graph), undefined)).toMatchObject({
      settings: {
        prompt: 'a fox',
        seed: 77,
        steps: 28,
        guidanceScale: 4.5,
        sampler: 'euler',
        schedule: 'simple',
        width: 832,
        height: 1024,
      },
      model: { name: 'sd3.5.safetensors' },
      notHonoured: expect.arrayContaining([
        { field: 'CLIPTextEncodeSD3 12', value: 'a fox in detail' },
        { field: 'FluxGuidance 9', value: 'guidance 3.5' },
      ]),
    });
  });

  it('a start picture and a mask', () => {
    const graph = {
      ...basic,
      5: node('SetLatentNoiseMask', { samples: ['30', 0], mask: ['31', 1] }),
      30: node('VAEEncode', { pixels: ['31', 0] }),
      31: node('LoadImage', { image: 'cat.png' }),
    };
    graph[3] = node('KSampler', { ...basic[3].inputs, denoise: 0.6 });
    const recipe = readComfyUi(JSON.stringify(graph), undefined)!;
    expect(recipe).toMatchObject({ startsFrom: 'picture and mask', settings: { strength: 0.6 } });
  });

  it('the graph of the editor where there is no other', async () => {
    const workflow = {
      nodes: [
        {
          id: 3,
          type: 'KSampler',
          inputs: [
            { name: 'model', link: 1 },
            { name: 'positive', link: 4 },
            { name: 'negative', link: 6 },
            { name: 'latent_image', link: 2 },
          ],
          widgets_values: [42, 'randomize', 20, 8, 'euler', 'normal', 1],
        },
        { id: 4, type: 'CheckpointLoaderSimple', widgets_values: ['v1-5.ckpt'] },
        { id: 5, type: 'EmptyLatentImage', widgets_values: [640, 512, 4] },
        { id: 6, type: 'CLIPTextEncode', inputs: [], widgets_values: ['a bottle'] },
        { id: 7, type: 'CLIPTextEncode', inputs: [], widgets_values: ['text'] },
        { id: 8, type: 'KSampler', mode: 4, widgets_values: [1] },
      ],
      links: [
        [1, 4, 0, 3, 0, 'MODEL'],
        [4, 6, 0, 3, 1, 'CONDITIONING'],
        [6, 7, 0, 3, 2, 'CONDITIONING'],
        { id: 2, origin_id: 5 },
      ],
    };
    expect(await found({ workflow: JSON.stringify(workflow) })).toMatchObject({
      settings: {
        prompt: 'a bottle',
        negativePrompt: 'text',
        seed: 42,
        steps: 20,
        guidanceScale: 8,
        sampler: 'euler',
        schedule: 'normal',
        width: 640,
        height: 512,
      },
      model: { name: 'v1-5.ckpt' },
      notHonoured: [{ field: 'batch_size', value: expect.stringContaining('4') }],
    });
  });

  it('numbers Python writes do not hide the graph', async () => {
    const text = JSON.stringify({ ...basic, 3: { ...basic[3], is_changed: [0] } }).replace(
      '[0]',
      '[NaN]',
    );
    expect(await found({ prompt: text })).toMatchObject({ settings: { steps: 20 } });
  });

  it('is in EXIF of WebP files', async () => {
    const plain = await encodeImage(pixel, { format: 'webp', quality: 90 });
    const write = (tag: number, text: string) => {
      const exif = exifBlock(tag, Buffer.from(`${text}\0`), { type: 2 });
      return readProvenance(withWebpMetadata(plain, { exif }, pixel));
    };
    const { found: graph } = await write(0x0110, `prompt:${JSON.stringify(basic)}`);
    expect(graph).toMatchObject({ program: { name: 'ComfyUI' }, settings: { steps: 20 } });
    expect((await write(0x0110, 'Canon EOS')).found).toBeUndefined();
  });

  it('cycles, depth and mass end', () => {
    const loop = {
      1: node('KSampler', {
        seed: ['2', 0],
        steps: ['2', 0],
        cfg: 1,
        positive: ['2', 0],
        negative: ['1', 0],
        model: ['1', 0],
        latent_image: ['1', 0],
      }),
      2: node('X', {
        text: ['2', 0],
        value: ['2', 0],
        seed: ['2', 0],
        conditioning: ['1', 0],
        positive: ['2', 0],
      }),
    };
    expect(readComfyUi(JSON.stringify(loop), undefined)).toMatchObject({
      settings: { guidanceScale: 1 },
    });
    const deep = `{"1":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`;
    expect(readComfyUi(deep, deep)).toBeUndefined();
    const chain = Object.fromEntries(
      Array.from({ length: 12_000 }, (_, i) => [
        i,
        node('KSampler', {
          seed: 1,
          steps: 2,
          latent_image: [`${i + 1}`, 0],
          model: [`${i + 1}`, 0],
        }),
      ]),
    );
    expect(readComfyUi(JSON.stringify(chain), undefined)).toMatchObject({ settings: { seed: 1 } });
    const proto = `{"__proto__":{"class_type":"KSampler","inputs":{"seed":1,"steps":2,"latent_image":["constructor",0],"__proto__":{"cfg":9}}}}`;
    expect(readComfyUi(proto, undefined)!.settings).toEqual({
      seed: 1,
      steps: 2,
      noiseSource: 'cpu',
      promptSyntax: 'a1111',
    });
  });
});

describe('InvokeAI', () => {
  it('version 3 and later', async () => {
    const metadata = {
      app_version: '5.4.2',
      generation_mode: 'sdxl_txt2img',
      positive_prompt: 'a fox++ in snow',
      negative_prompt: 'blurry',
      width: 1024,
      height: 768,
      seed: 3121250155,
      rand_device: 'cpu',
      cfg_scale: 5.5,
      cfg_rescale_multiplier: 0.2,
      steps: 30,
      scheduler: 'dpmpp_2m_k',
      clip_skip: 0,
      model: { key: 'k', hash: 'blake3:13c7', name: 'Juggernaut XL', base: 'sdxl', type: 'main' },
      vae: { key: 'v', name: 'sdxl-vae-fp16-fix', hash: 'blake3:97' },
      loras: [{ model: { name: 'ink', hash: 'blake3:5' }, weight: 0.75 }],
      controlnets: [{ control_model: { name: 'canny' }, control_weight: 1 }],
      seamless_x: false,
    };
    expect(await found({ invokeai_metadata: JSON.stringify(metadata) })).toMatchObject({
      program: { name: 'InvokeAI', version: '5.4.2' },
      settings: {
        prompt: 'a fox++ in snow',
        negativePrompt: 'blurry',
        width: 1024,
        height: 768,
        seed: 3121250155,
        guidanceScale: 5.5,
        guidanceRescale: 0.2,
        steps: 30,
        sampler: 'dpmpp_2m_k',
        clipSkip: 0,
        noiseSource: 'cpu',
        promptSyntax: 'plain',
      },
      model: { name: 'Juggernaut XL', hash: 'blake3:13c7' },
      vae: { name: 'sdxl-vae-fp16-fix' },
      loras: [{ name: 'ink', weight: 0.75 }],
      notHonoured: [{ field: 'controlnets', value: expect.stringContaining('canny') }],
      warnings: [expect.stringContaining('+ and -')],
    });
  });

  it('version 2, as JSON and as a line', async () => {
    const image = {
      prompt: [{ prompt: 'a cat [ugly]', weight: 1 }],
      steps: 50,
      cfg_scale: 7.5,
      threshold: 0,
      perlin: 0,
      height: 512,
      width: 640,
      seed: 123,
      seamless: true,
      type: 'txt2img',
      sampler: 'k_lms',
      variations: [],
    };
    const metadata = {
      model: 'stable diffusion',
      model_weights: 'sd-1.5',
      model_hash: 'cc6c',
      app_id: 'invoke-ai/InvokeAI',
      app_version: '2.3.5',
      image,
    };
    const settings = {
      prompt: 'a cat',
      negativePrompt: 'ugly',
      steps: 50,
      seed: 123,
      width: 640,
      height: 512,
      guidanceScale: 7.5,
      sampler: 'k_lms',
    };
    expect(await found({ 'sd-metadata': JSON.stringify(metadata) })).toMatchObject({
      program: { name: 'InvokeAI', version: '2.3.5' },
      settings,
      model: { name: 'sd-1.5', hash: 'cc6c' },
      notHonoured: [{ field: 'seamless', value: 'true' }],
    });
    expect(
      await found({ Dream: '"a cat [ugly]" -s 50 -S 123 -W 640 -H 512 -C 7.5 -A k_lms -G 0.8' }),
    ).toMatchObject({
      settings,
      notHonoured: [{ field: 'G', value: '0.8' }],
    });
  });
});

describe('Fooocus, NovelAI and SwarmUI', () => {
  it('Fooocus with its own scheme', async () => {
    const parameters = {
      adm_guidance: '(1.5, 0.8, 0.3)',
      base_model: 'juggernautXL_v8',
      base_model_hash: 'aeb7e9e689',
      clip_skip: 2,
      full_negative_prompt: ['blurry'],
      full_prompt: ['cinematic still a fox', 'a fox, intricate'],
      guidance_scale: 4,
      lora_combined_1: 'offset : 0.1',
      loras: [['offset', 0.1, '4852686128']],
      metadata_scheme: 'fooocus',
      negative_prompt: '',
      performance: 'Speed',
      prompt: 'a fox',
      refiner_model: 'None',
      resolution: '(1152, 896)',
      sampler: 'dpmpp_2m_sde_gpu',
      scheduler: 'karras',
      seed: '123456789012',
      sharpness: 2,
      steps: 30,
      styles: "['Fooocus V2']",
      vae: 'Default (model)',
      version: 'Fooocus v2.5.5',
    };
    expect(
      await found({ parameters: JSON.stringify(parameters), fooocus_scheme: 'fooocus' }),
    ).toMatchObject({
      program: { name: 'Fooocus', version: 'v2.5.5' },
      settings: {
        prompt: 'cinematic still a fox, a fox, intricate',
        negativePrompt: 'blurry',
        steps: 30,
        seed: 123456789012,
        guidanceScale: 4,
        sampler: 'dpmpp_2m_sde_gpu',
        schedule: 'karras',
        width: 1152,
        height: 896,
        clipSkip: 1,
        noiseSource: 'cpu',
      },
      model: { name: 'juggernautXL_v8', hash: 'aeb7e9e689' },
      loras: [{ name: 'offset', weight: 0.1, hash: '4852686128' }],
      notHonoured: [
        { field: 'adm_guidance', value: '(1.5, 0.8, 0.3)' },
        { field: 'sharpness', value: '2' },
      ],
    });
  });

  it('Fooocus with the webui’s scheme', async () => {
    const parameters =
      'still of a fox, sharp\nNegative prompt: blurry\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 9, Size: 1152x896, CFG scale: 4, Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Model: jug, Model hash: aeb7e9e689, Performance: Speed, Scheduler: karras, VAE: Default (model), Raw prompt: a fox, Raw negative prompt: , Lora hashes: offset: 4852, Lora weights: offset: 0.1, Version: Fooocus v2.5.5';
    expect(await found({ parameters, fooocus_scheme: 'a1111' })).toMatchObject({
      program: { name: 'Fooocus' },
      settings: {
        prompt: 'still of a fox, sharp',
        sampler: 'DPM++ 2M SDE Karras',
        schedule: 'karras',
        noiseSource: 'cpu',
        width: 1152,
      },
      loras: [{ name: 'offset', weight: 0.1, hash: '4852' }],
      notHonoured: [
        { field: 'Sharpness', value: '2' },
        { field: 'ADM Guidance', value: '(1.5, 0.8, 0.3)' },
      ],
    });
  });

  it('NovelAI', async () => {
    const comment = {
      prompt: '{{fox}}, snow',
      steps: 28,
      height: 1216,
      width: 832,
      scale: 5,
      uncond_scale: 0,
      cfg_rescale: 0.1,
      seed: 4005162902,
      n_samples: 1,
      noise_schedule: 'karras',
      sampler: 'k_euler_ancestral',
      uc: 'lowres',
      sm: true,
      request_type: 'PromptGenerateRequest',
      signed_hash: 'abc',
    };
    const texts = {
      Title: 'AI generated image',
      Software: 'NovelAI',
      Source: 'Stable Diffusion XL 7BCCAA2C',
      Comment: JSON.stringify(comment),
    };
    expect(await found(texts)).toMatchObject({
      program: { name: 'NovelAI' },
      settings: {
        prompt: '{{fox}}, snow',
        negativePrompt: 'lowres',
        steps: 28,
        width: 832,
        height: 1216,
        guidanceScale: 5,
        guidanceRescale: 0.1,
        seed: 4005162902,
        sampler: 'k_euler_ancestral',
        schedule: 'karras',
      },
      model: { name: 'Stable Diffusion XL 7BCCAA2C' },
      notHonoured: [
        { field: 'uncond_scale', value: '0' },
        { field: 'sm', value: 'true' },
      ],
      warnings: [expect.stringContaining('{}')],
    });
  });

  it('SwarmUI', async () => {
    const parameters = {
      sui_image_params: {
        prompt: 'a fox',
        negativeprompt: '',
        model: 'sdxl',
        seed: 5,
        steps: 20,
        cfgscale: 7,
        aspectratio: '1:1',
        width: 1024,
        height: 1024,
        sampler: 'euler',
        scheduler: 'normal',
        loras: ['ink'],
        loraweights: ['0.6'],
        freeu: 'x',
        swarm_version: '0.9.5',
      },
    };
    expect(await found({ parameters: JSON.stringify(parameters) })).toMatchObject({
      program: { name: 'SwarmUI', version: '0.9.5' },
      settings: {
        prompt: 'a fox',
        seed: 5,
        steps: 20,
        guidanceScale: 7,
        width: 1024,
        sampler: 'euler',
        schedule: 'normal',
      },
      loras: [{ name: 'ink', weight: 0.6 }],
      notHonoured: [{ field: 'freeu', value: 'x' }],
    });
  });
});

describe('hostile texts', () => {
  const keywords = [
    'parameters',
    'prompt',
    'workflow',
    'invokeai_metadata',
    'sd-metadata',
    'Dream',
    'Comment',
    'maliang',
  ];
  const million = 1_000_000;
  const texts: Record<string, string> = {
    'one long word': 'a'.repeat(million),
    'keys without end': 'ab: "'.repeat(million / 5),
    'commas and colons': `a\n${'aa:,'.repeat(million / 4)}`,
    'dashes and blanks': `a\n${'- '.repeat(million / 2)}:`,
    'quotes and strokes': `a\nab: "${'\\'.repeat(million)}`,
    'open quotes': `"${' -s'.repeat(million / 3)}`,
    brackets: '['.repeat(million),
    'nested objects': '{"a":'.repeat(million / 5),
    tags: '<lora:'.repeat(million / 6),
    'line breaks': '\n'.repeat(million),
    'names of JavaScript':
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"sui_image_params":{"__proto__":{"seed":1},"toString":1}}',
  };

  it.each(Object.entries(texts))('%s', async (_, text) => {
    const start = performance.now();
    for (const keyword of keywords) await found({ [keyword]: text });
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('any text under any keyword gives settings within bounds, or none', async () => {
    const value = fc.oneof(
      fc.json(),
      fc.string(),
      fc.string().map((s) => `a\nSteps: ${s}, Seed: ${s}, Size: ${s}, Sampler: ${s}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keywords), value, async (keyword, text) => {
        const safe = text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '');
        const settings = (await found({ [keyword]: safe }))?.settings;
        if (settings?.steps !== undefined) expect(settings.steps).toBeLessThanOrEqual(1000);
        if (settings?.width !== undefined) expect(settings.width).toBeLessThanOrEqual(4096);
      }),
      { numRuns: 100 },
    );
  });
});
