/** @file Reads the graph ComfyUI writes: from the sampler along the links to texts, models and latents. */
import type { StrictJson } from '../../formats/strict-json.js';
import {
  type ComfyGraph,
  type ComfyNode,
  graphOfPrompt,
  graphOfWorkflow,
} from './comfyui-graph.js';
import { asList, asNumber, asSeed, asText, readObject } from './fields.js';
import { type FoundRecipe, FoundRecipeBuilder } from './found-settings.js';

/**
 * Settings of the first pass of a graph; `prompt` is the graph that ran, `workflow` the one of the
 * editor. Undefined when neither holds a sampler.
 */
export function readComfyUi(
  prompt: string | undefined,
  workflow: string | undefined,
): FoundRecipe | undefined {
  for (const graph of [
    graphOfPrompt(readObject(prompt ?? '')),
    graphOfWorkflow(readObject(workflow ?? '')),
  ]) {
    const found = graph && new GraphReader(graph).read();
    if (found) return found;
  }
  return undefined;
}

/** Node classes that change nothing a recipe would say. */
const silent =
  /^(Reroute|CheckpointLoader|CLIPTextEncode|LoraLoader|Empty\w*Latent|KSampler|VAE|CLIPLoader|DualCLIPLoader|UNETLoader|RandomNoise|BasicScheduler|CLIPSetLastLayer|LoadImage|BasicGuider|CFGGuider|ConditioningZeroOut)/;
/** Links in the order they are followed towards a text, a model or a start. */
const modelInputs = ['model', 'base_model', 'model1', 'clip'];
/** What nodes that only hold a value call it. */
const holderInputs = 'value seed noise_seed text string int float number'.split(' ');
const latentInputs = ['latent_image', 'samples', 'latent', 'pixels', 'image'];

class GraphReader {
  readonly #graph: ComfyGraph;
  readonly #builder = new FoundRecipeBuilder();
  /** Nodes passed on the way. */
  readonly #passed = new Set<string>();

  constructor(graph: ComfyGraph) {
    this.#graph = graph;
  }

  read(): FoundRecipe | undefined {
    const samplers = [...this.#graph.values()].filter(isSampler).slice(0, 100);
    const first = this.#firstPass(samplers);
    if (!first) return undefined;
    for (const other of samplers) {
      if (other !== first) this.#builder.refuse(`${other.type} ${other.id}`, 'another pass');
    }
    this.#readNumbers(first);
    this.#readTexts(first);
    this.#readModel(first);
    this.#readStart(first);
    this.#listPassed(first);
    return this.#builder.finish('ComfyUI');
  }

  /** The sampler whose latents come from no other one. */
  #firstPass(samplers: readonly ComfyNode[]): ComfyNode | undefined {
    const isFirst = (node: ComfyNode): boolean =>
      !this.#walk(node.inputs.get('latent_image'), latentInputs).some(isSampler);
    return samplers.find(isFirst) ?? samplers[0];
  }

  #readNumbers(node: ComfyNode): void {
    const builder = this.#builder;
    const seed = asSeed(
      this.#scalar(node, 'seed') ??
        this.#scalar(node, 'noise_seed') ??
        this.#behind(node, 'noise', 'noise_seed'),
    );
    if (seed !== undefined) builder.settings.seed = seed;
    const number = (name: string, link: string): number | undefined =>
      asNumber(this.#scalar(node, name) ?? this.#behind(node, link, name));
    builder.number('steps', number('steps', 'sigmas'), 'steps');
    builder.number('guidanceScale', number('cfg', 'guider'), 'cfg');
    const sampler = asText(
      this.#scalar(node, 'sampler_name') ?? this.#behind(node, 'sampler', 'sampler_name'),
    );
    const schedule = asText(
      this.#scalar(node, 'scheduler') ?? this.#behind(node, 'sigmas', 'scheduler'),
    );
    builder.sampler(sampler, schedule, ['sampler_name', 'scheduler']);
    builder.settings.noiseSource = 'cpu';
    for (const name of ['start_at_step', 'end_at_step']) {
      const value = asNumber(this.#scalar(node, name));
      const isWhole =
        name === 'start_at_step'
          ? value === 0
          : value !== undefined && value >= (builder.settings.steps ?? 0);
      if (value !== undefined && !isWhole) builder.refuse(name, value);
    }
  }

  #readTexts(node: ComfyNode): void {
    const { settings, warnings } = this.#builder;
    const sides = this.#guider(node);
    const positive = this.#text(
      sides.inputs.get('positive') ?? sides.inputs.get('conditioning'),
      'positive',
    );
    const negative = this.#text(sides.inputs.get('negative'), 'negative');
    if (positive !== undefined) settings.prompt = positive;
    if (negative) settings.negativePrompt = negative;
    settings.promptSyntax = 'a1111';
    if (/[()]/.test(`${positive}${negative}`.replace(/\\[()]/g, ''))) {
      warnings.push('ComfyUI weighs words by another rule than the webui’s, which is used here.');
    }
  }

  /** The node that holds texts and model: the sampler, or its guider. */
  #guider(node: ComfyNode): ComfyNode {
    return this.#target(node.inputs.get('guider')) ?? node;
  }

  #text(link: StrictJson | undefined, side: 'positive' | 'negative'): string | undefined {
    const first = [side, 'conditioning', 'conditioning_1', 'conditioning_to'];
    for (const node of this.#walk(link, first)) {
      if (node.type === 'ConditioningZeroOut') return '';
      const texts = ['text', 'text_g', 'clip_l', 't5xxl', 'text_l', 'prompt'].flatMap(
        (name) => asText(this.#scalar(node, name)) ?? [],
      );
      if (texts.length === 0) continue;
      for (const other of new Set(texts.slice(1))) {
        if (other !== texts[0] && other !== '')
          this.#builder.refuse(`${node.type} ${node.id}`, other);
      }
      this.#readClip(node);
      return texts[0];
    }
    return undefined;
  }

  #readClip(node: ComfyNode): void {
    for (const { type, inputs } of this.#walk(node.inputs.get('clip'), ['clip'])) {
      const layer =
        type === 'CLIPSetLastLayer' ? asNumber(inputs.get('stop_at_clip_layer')) : undefined;
      if (layer !== undefined) this.#builder.number('clipSkip', -1 - layer, 'stop_at_clip_layer');
    }
  }

  #readModel(node: ComfyNode): void {
    const builder = this.#builder;
    for (const { inputs, type } of this.#walk(
      this.#guider(node).inputs.get('model'),
      modelInputs,
    )) {
      const lora = asText(inputs.get('lora_name'));
      if (lora !== undefined) {
        const weight = asNumber(inputs.get('strength_model')) ?? 1;
        builder.loras.unshift({ name: lora, weight });
        const text = asNumber(inputs.get('strength_clip')) ?? weight;
        if (text !== weight) builder.refuse(`${type} strength_clip`, text);
      }
      const name = asText(inputs.get('ckpt_name')) ?? asText(inputs.get('unet_name'));
      if (name !== undefined) builder.model ??= { name };
    }
    for (const { type, inputs } of this.#graph.values()) {
      const name = type === 'VAELoader' ? asText(inputs.get('vae_name')) : undefined;
      if (name !== undefined) builder.vae ??= { name };
    }
  }

  #readStart(node: ComfyNode): void {
    const builder = this.#builder;
    const strength = asNumber(
      this.#scalar(node, 'denoise') ?? this.#behind(node, 'sigmas', 'denoise'),
    );
    const chain = this.#walk(node.inputs.get('latent_image'), latentInputs);
    for (const { type, inputs, id } of chain) {
      if (/^VAEEncode|^LoadImage|InpaintModelConditioning/.test(type))
        builder.startsFrom ??= 'picture';
      if (/Inpaint|NoiseMask/.test(type)) builder.startsFrom = 'picture and mask';
      if (!type.startsWith('Empty')) continue;
      const side = (name: string) => asNumber(this.#scalar({ type, inputs, id }, name));
      builder.size(side('width'), side('height'), `${type} size`);
      const batch = side('batch_size') ?? 1;
      if (batch > 1)
        builder.refuse('batch_size', `${batch}: which of them this picture is, is not said`);
    }
    if (builder.startsFrom) builder.number('strength', strength, 'denoise');
    else if (strength !== undefined && strength < 1) builder.refuse('denoise', strength);
  }

  /** Nodes on the way that do something else. */
  #listPassed(first: ComfyNode): void {
    for (const id of this.#passed) {
      const node = this.#graph.get(id)!;
      if (node === first || isSampler(node) || silent.test(node.type)) continue;
      const values = [...node.inputs].filter(([, value]) => !asList(value)).slice(0, 4);
      const said = values.map(
        ([name, value]) => `${name} ${asText(value) ?? asNumber(value) ?? '…'}`,
      );
      this.#builder.refuse(`${node.type} ${id}`, said.join(', '));
    }
  }

  /** Nodes in reach of a link, those behind the inputs named first; each once, so cycles end. */
  #walk(link: StrictJson | undefined, first: readonly string[]): ComfyNode[] {
    const found: ComfyNode[] = [];
    const seen = new Set<string>();
    const waiting = [link];
    while (waiting.length > 0 && seen.size < 2000) {
      const node = this.#target(waiting.pop());
      if (!node || seen.has(node.id)) continue;
      seen.add(node.id);
      this.#passed.add(node.id);
      found.push(node);
      const named = first.map((name) => node.inputs.get(name));
      // Last in, first out: the first named is looked at next.
      waiting.push(...named.reverse());
    }
    return found;
  }

  #target(link: StrictJson | undefined): ComfyNode | undefined {
    const id = asList(link)?.[0];
    const key = asText(id) ?? asNumber(id)?.toString();
    return key === undefined ? undefined : this.#graph.get(key);
  }

  /** A value of a node, also when a node that only holds values gives it. */
  #scalar(node: ComfyNode, name: string, depth = 0): StrictJson | undefined {
    const value = node.inputs.get(name);
    if (!asList(value)) return value;
    const holder = this.#target(value);
    if (!holder || depth > 8) return undefined;
    const key = [name, ...holderInputs].find((one) => holder.inputs.has(one));
    return key === undefined ? undefined : this.#scalar(holder, key, depth + 1);
  }

  /** A value of the node behind a link. */
  #behind(node: ComfyNode, link: string, name: string): StrictJson | undefined {
    const target = this.#target(node.inputs.get(link));
    return target && this.#scalar(target, name);
  }
}

/** Whatever its class is called: it takes a seed or noise, and steps or sigmas, and latents. */
function isSampler({ inputs }: ComfyNode): boolean {
  const has = (...names: string[]): boolean => names.some((name) => inputs.has(name));
  return has('latent_image') && has('seed', 'noise_seed', 'noise') && has('steps', 'sigmas');
}
