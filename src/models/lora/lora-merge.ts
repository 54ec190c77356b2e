/** @file Adds low-rank products to the parameters of a component: W + s·(up·down), computed once while the model loads. */
import { complain } from '../../core/errors.js';
import { elementCount } from '../../core/tensor-data.js';
import * as g from '../../graph/build.js';
import { parameter, type Tensor } from '../../graph/tensor.js';
import { builtOrStored, type ParameterBuild, type ParameterBuilds } from '../built-parameters.js';
import { type Component, componentParameters } from '../registry.js';
import type { Origin } from '../single-file/origin.js';
import { unetOrigin } from '../single-file/plan-unet.js';
import { sd3Origin } from '../single-file/sd3-layout.js';
import { openClipOrigin } from '../single-file/text-layout.js';
import {
  type LoraComponent,
  type LoraModule,
  type ParsedLora,
  parseLoraKeys,
} from './lora-keys.js';
import { loraFactor, type SettingsByComponent } from './lora-settings.js';

/** A parameter a layer's name stands for, or an equal part of it along the first axis. */
interface Target {
  readonly parameter: string;
  readonly shape: readonly number[];
  readonly index: number;
  readonly count: number;
}

/** A component that can take additions. */
export interface LoraHost {
  readonly role: Exclude<LoraComponent, 'any'>;
  readonly component: Component;
}

/** What was read of a LoRA file. */
export interface LoraFacts {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  /** Values of the `alpha` tensors. */
  readonly alphas: ReadonlyMap<string, number>;
  readonly settings: SettingsByComponent;
  /** How much of it is added; 1 is what it was trained for. */
  readonly weight: number;
  /** The same for the text encoders. */
  readonly textWeight: number;
}

/** One product to add to a parameter. */
export interface LoraAddition {
  readonly parameter: string;
  /** Tensors in the file: [rank, in, ..] and [out, rank, ..]. */
  readonly down: string;
  readonly up: string;
  readonly rank: number;
  /** Which equal part of `up`'s rows; fused projections of a file stand for several parameters. */
  readonly index: number;
  readonly count: number;
  readonly factor: number;
}

export interface PlannedLora {
  /** By host, in the order given. */
  readonly additions: readonly (readonly LoraAddition[])[];
  readonly warnings: readonly string[];
}

/**
 * Finds the parameter of every addition. Throws MODEL_UNSUPPORTED when the file is for another
 * family or of another kind, WEIGHTS when a pair is incomplete; names that fit nothing are warnings.
 */
export function planLora(facts: LoraFacts, hosts: readonly LoraHost[]): PlannedLora {
  const parsed = parseLoraKeys(facts.path, facts.tensors.keys());
  const tables = hosts.map(({ component }) => targetsOf(component));
  const usual = usualAlphas(facts, parsed);
  const additions = hosts.map((): LoraAddition[] => []);
  const unmatched: string[] = [];
  for (const module of parsed.modules) {
    const pair = wholePair(facts, module);
    const at = hosts.findIndex(
      ({ role }, i) => isFor(module.component, role) && tables[i]!.has(module.layer),
    );
    if (at < 0) unmatched.push(pair.down);
    else
      additions[at]!.push(...additionsTo({ facts, module, pair, usual }, tables[at]!, hosts[at]!));
  }
  const matched = additions.reduce((sum, list) => sum + list.length, 0);
  if (matched === 0) throw foreign(facts, parsed, hosts, 'no layer of this model');
  return { additions, warnings: leftOver(facts.path, parsed, unmatched) };
}

function isFor(component: LoraComponent, role: LoraHost['role']): boolean {
  return component === 'any' || component === role;
}

function leftOver(path: string, parsed: ParsedLora, unmatched: readonly string[]): string[] {
  const names = (keys: readonly string[]): string => {
    const shown = keys.slice(0, 5).map((key) => JSON.stringify(key.slice(0, 120)));
    return `${shown.join(', ')}${keys.length > 5 ? `, and ${keys.length - 5} more` : ''}`;
  };
  const warnings: string[] = [];
  if (unmatched.length > 0) {
    warnings.push(
      `${path}: ${unmatched.length} of ${parsed.modules.length} additions fit no layer of this model and are left out: ${names(unmatched)}.`,
    );
  }
  if (parsed.unknown.length > 0) {
    warnings.push(`${path}: not read, no part of a LoRA: ${names(parsed.unknown)}.`);
  }
  return warnings;
}

interface Pair {
  readonly down: string;
  readonly up: string;
}

function wholePair({ path }: LoraFacts, { layer, down, up, alpha }: LoraModule): Pair {
  if (down !== undefined && up !== undefined) return { down, up };
  throw complain('WEIGHTS', {
    where: path,
    expected: `both halves of the addition to ${layer}`,
    got: `only ${down ?? up ?? alpha}`,
    next: 'The file is incomplete; fetch it again.',
  });
}

/** The most frequent alpha of each component's layers: diffusers gives it to layers without one. */
function usualAlphas({ alphas }: LoraFacts, { modules }: ParsedLora): Map<LoraComponent, number> {
  const counts = new Map<LoraComponent, Map<number, number>>();
  for (const { component, alpha: key } of modules) {
    const alpha = key === undefined ? undefined : alphas.get(key);
    if (alpha === undefined) continue;
    const of = counts.get(component) ?? new Map<number, number>();
    counts.set(component, of.set(alpha, (of.get(alpha) ?? 0) + 1));
  }
  const most = (of: ReadonlyMap<number, number>): number =>
    [...of].reduce((best, row) => (row[1] > best[1] ? row : best))[0];
  return new Map([...counts].map(([component, of]) => [component, most(of)]));
}

interface ModuleInFile {
  readonly facts: LoraFacts;
  readonly module: LoraModule;
  readonly pair: Pair;
  readonly usual: ReadonlyMap<LoraComponent, number>;
}

function additionsTo(
  { facts, module, pair: { down, up }, usual }: ModuleInFile,
  table: ReadonlyMap<string, readonly Target[]>,
  host: LoraHost,
): LoraAddition[] {
  const [rank = 0, ...inner] = facts.tensors.get(down)!.shape;
  const [rows = 0, columns, ...rest] = facts.tensors.get(up)!.shape;
  const targets = table.get(module.layer)!;
  const own = module.alpha === undefined ? undefined : facts.alphas.get(module.alpha);
  const alpha = own ?? usual.get(module.component);
  const settings = facts.settings.get(host.role) ?? facts.settings.get('any');
  const weight = host.role === 'denoiser' ? facts.weight : facts.textWeight;
  return targets.map(({ parameter: name, shape, index, count }) => {
    const fits =
      columns === rank &&
      elementCount(rest) === 1 &&
      rows === shape[0]! * count &&
      elementCount(inner) === elementCount(shape.slice(1));
    if (!fits) throw misfit(facts, name, shape, down, up);
    const factor = weight * loraFactor(module.layer, rank, alpha, settings);
    return { parameter: name, down, up, rank, index, count, factor };
  });
}

function misfit(
  { path, tensors }: LoraFacts,
  name: string,
  shape: readonly number[],
  down: string,
  up: string,
): Error {
  const printed = (key: string): string => `[${tensors.get(key)!.shape}]`;
  const guess = familyOf(path, tensors);
  return complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: `additions to ${name} [${shape}], as this model has it`,
    got: `up ${printed(up)} and down ${printed(down)}${guess}`,
    next: 'Use a LoRA made for this model’s family.',
  });
}

function foreign(
  { path, tensors }: LoraFacts,
  { modules, unknown }: ParsedLora,
  hosts: readonly LoraHost[],
  what: string,
): Error {
  const first = modules[0]?.down ?? unknown[0] ?? 'nothing';
  const classes = hosts.map(({ component }) => component.className).join(', ');
  return complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: `additions to layers of ${classes}`,
    got: `${what}; the first is ${JSON.stringify(first.slice(0, 120))}${familyOf(path, tensors)}`,
    next: 'Use a LoRA made for this model’s family.',
  });
}

/** Width of the text states by family; the cross-attention of a denoiser shows it. */
const families: ReadonlyMap<number, string> = new Map([
  [768, 'SD 1'],
  [1024, 'SD 2'],
  [2048, 'SDXL'],
  [1280, 'the SDXL refiner'],
]);

/** `: a LoRA for SDXL`, where its names or shapes tell. */
function familyOf(_: string, tensors: LoraFacts['tensors']): string {
  for (const [key, { shape }] of tensors) {
    if (/double_blocks|single_transformer_blocks/.test(key)) return ': a LoRA for FLUX';
    if (/joint_blocks|add_q_proj/.test(key)) return ': a LoRA for SD 3';
    if (!/attn2[._](?:processor\.)?to_k.*(?:down|lora_A(?:\.\w+)?)\.weight$/.test(key)) continue;
    const family = families.get(shape[1]!);
    if (family) return `: a LoRA for ${family}`;
  }
  return '';
}

/** Every name a layer of the component is known by, dotted and with underscores. */
function targetsOf(component: Component): ReadonlyMap<string, readonly Target[]> {
  const table = new Map<string, Target[]>();
  const add = (name: string, target: Target): void => {
    for (const spelling of new Set([name, name.replaceAll('.', '_')])) {
      const known = table.get(spelling);
      if (!known) table.set(spelling, [target]);
      else if (!known.some((other) => other.parameter === target.parameter)) known.push(target);
    }
  };
  for (const [name, { shape }] of componentParameters(component).weights) {
    if (!name.endsWith('.weight') || shape.length < 2) continue;
    const layer = name.replace(/\.weight$/, '');
    const whole: Target = { parameter: name, shape, index: 0, count: 1 };
    add(layer, whole);
    if (layer.startsWith('text_model.')) add(layer.replace('text_model.', ''), whole);
    const origin = originalOf(name, component);
    if (origin?.kind !== 'pieces' || origin.pieces.length !== 1) continue;
    const { key, index, count } = origin.pieces[0]!;
    const original = key.replace(/(?:\.weight|_weight)$/, '');
    if (original !== layer) add(original, { ...whole, index, count });
  }
  return table;
}

function originalOf(name: string, component: Component): Origin | undefined {
  switch (component.className) {
    case 'UNet2DConditionModel':
      return unetOrigin(name, component);
    case 'SD3Transformer2DModel':
      return sd3Origin(name, component.config.layers);
    case 'CLIPTextModel':
    case 'CLIPTextModelWithProjection':
      return openClipOrigin(name);
    default:
      return undefined;
  }
}

/** Where the halves of addition `i` of a part are kept among its weights. */
export function halfName(parameterName: string, i: number, half: 'up' | 'down'): string {
  return `${parameterName}#lora${i}.${half}`;
}

/** The builds of a component with additions on top of those it has. */
export function withAdditions(
  builds: ParameterBuilds,
  additions: readonly LoraAddition[],
): ParameterBuilds {
  const merged = new Map(builds);
  additions.forEach((addition, i) => {
    const { parameter: name } = addition;
    const below: ParameterBuilds = new Map(merged);
    merged.set(name, ((shape) =>
      g.add(builtOrStored(name, shape, below), product(addition, i, shape))) as ParameterBuild);
  });
  return merged;
}

/** factor · (up [out, rank] · down [rank, in]) in the parameter's shape. */
function product(
  { parameter: name, rank, factor }: LoraAddition,
  i: number,
  shape: readonly number[],
): Tensor {
  const up = parameter(halfName(name, i, 'up'), [shape[0]!, rank]);
  const down = parameter(halfName(name, i, 'down'), [rank, elementCount(shape.slice(1))]);
  return g.reshape(g.matmul(g.mul(up, factor), down), shape);
}
