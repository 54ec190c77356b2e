/** @file ComfyUI's two forms of a graph brought to one: nodes by id, with inputs that are values or links `[id, slot]`. */
import { JsonNumber, type StrictJson } from '../../formats/strict-json.js';
import { asList, asMap, asNumber, asText, type JsonMap } from './fields.js';

export interface ComfyNode {
  readonly id: string;
  /** Name of the class. */
  readonly type: string;
  readonly inputs: JsonMap;
}

export type ComfyGraph = ReadonlyMap<string, ComfyNode>;

const mostNodes = 10_000;

/** The graph that ran: `{"3": {"class_type", "inputs"}}`. */
export function graphOfPrompt(object: JsonMap | undefined): ComfyGraph | undefined {
  if (!object) return undefined;
  const nodes = new Map<string, ComfyNode>();
  for (const [id, value] of [...object].slice(0, mostNodes)) {
    const node = asMap(value);
    const type = asText(node?.get('class_type'));
    if (node && type !== undefined) {
      nodes.set(id, { id, type, inputs: asMap(node.get('inputs')) ?? new Map() });
    }
  }
  return nodes.size > 0 ? nodes : undefined;
}

/** Names of the values a node of the editor lists without names; null for the button after a seed. */
const widgets: Readonly<Record<string, readonly (string | null)[]>> = {
  KSampler: ['seed', null, 'steps', 'cfg', 'sampler_name', 'scheduler', 'denoise'],
  KSamplerAdvanced: [
    'add_noise',
    'noise_seed',
    null,
    'steps',
    'cfg',
    'sampler_name',
    'scheduler',
    'start_at_step',
    'end_at_step',
    'return_with_leftover_noise',
  ],
  SamplerCustom: ['add_noise', 'noise_seed', null, 'cfg'],
  RandomNoise: ['noise_seed', null],
  KSamplerSelect: ['sampler_name'],
  BasicScheduler: ['scheduler', 'steps', 'denoise'],
  CFGGuider: ['cfg'],
  CLIPTextEncode: ['text'],
  CLIPSetLastLayer: ['stop_at_clip_layer'],
  CheckpointLoaderSimple: ['ckpt_name'],
  UNETLoader: ['unet_name', 'weight_dtype'],
  VAELoader: ['vae_name'],
  LoraLoader: ['lora_name', 'strength_model', 'strength_clip'],
  LoraLoaderModelOnly: ['lora_name', 'strength_model'],
  EmptyLatentImage: ['width', 'height', 'batch_size'],
  EmptySD3LatentImage: ['width', 'height', 'batch_size'],
};
/** Modes of nodes that do not run: never, bypassed. */
const idleModes = new Set([2, 4]);

/** The graph of the editor: nodes with values in the order of their widgets, and a list of links. */
export function graphOfWorkflow(object: JsonMap | undefined): ComfyGraph | undefined {
  const written = asList(object?.get('nodes'));
  if (!object || !written) return undefined;
  const sources = sourcesByLink(asList(object.get('links')) ?? []);
  const nodes = new Map<string, ComfyNode>();
  for (const value of written.slice(0, mostNodes)) {
    const node = asMap(value);
    const id = asNumber(node?.get('id'))?.toString();
    const type = asText(node?.get('type'));
    if (!node || id === undefined || type === undefined) continue;
    if (idleModes.has(asNumber(node.get('mode')) ?? 0)) continue;
    nodes.set(id, { id, type, inputs: inputsOf(node, type, sources) });
  }
  return nodes.size > 0 ? nodes : undefined;
}

/** `[link, from, slot, to, slot, type]`, or an object of these. */
function sourcesByLink(links: readonly StrictJson[]): ReadonlyMap<number, StrictJson> {
  const sources = new Map<number, StrictJson>();
  for (const value of links.slice(0, 10 * mostNodes)) {
    const list = asList(value);
    const map = asMap(value);
    const link = asNumber(list?.[0] ?? map?.get('id'));
    const from = asNumber(list?.[1] ?? map?.get('origin_id'));
    if (link !== undefined && from !== undefined) {
      sources.set(link, [`${from}`, new JsonNumber('0')]);
    }
  }
  return sources;
}

function inputsOf(node: JsonMap, type: string, sources: ReadonlyMap<number, StrictJson>): JsonMap {
  const inputs = new Map<string, StrictJson>();
  const values = asList(node.get('widgets_values')) ?? [];
  const names = Object.hasOwn(widgets, type) ? widgets[type]! : [];
  names.forEach((name, i) => {
    const value = values[i];
    if (name !== null && value !== undefined) inputs.set(name, value);
  });
  for (const value of (asList(node.get('inputs')) ?? []).slice(0, 100)) {
    const input = asMap(value);
    const name = asText(input?.get('name'));
    const source = sources.get(asNumber(input?.get('link')) ?? -1);
    if (name !== undefined && source !== undefined) inputs.set(name, source);
  }
  return inputs;
}
