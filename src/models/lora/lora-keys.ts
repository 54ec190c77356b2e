/** @file Names of low-rank additions (Hu et al. 2021) as kohya's trainer, diffusers and PEFT write them. */
import { complain } from '../../core/errors.js';

/** The component an addition is for; `any` where the file does not say. */
export type LoraComponent = 'denoiser' | 'text1' | 'text2' | 'text3' | 'any';

/** The tensors of one addition, by their names in the file. */
export interface LoraModule {
  readonly component: LoraComponent;
  /** Layer name without its component: dotted, or kohya's with underscores. */
  readonly layer: string;
  readonly isKohya: boolean;
  readonly down?: string | undefined;
  readonly up?: string | undefined;
  readonly alpha?: string | undefined;
}

const prefixes: readonly (readonly [prefix: string, component: LoraComponent, isKohya: boolean])[] =
  [
    ['lora_unet_', 'denoiser', true],
    ['lora_transformer_', 'denoiser', true],
    ['lora_te1_', 'text1', true],
    ['lora_te2_', 'text2', true],
    ['lora_te3_', 'text3', true],
    ['lora_te_', 'text1', true],
    ['unet.', 'denoiser', false],
    ['transformer.', 'denoiser', false],
    ['text_encoder_3.', 'text3', false],
    ['text_encoder_2.', 'text2', false],
    ['text_encoder.', 'text1', false],
    ['diffusion_model.', 'denoiser', false],
    ['base_model.model.', 'any', false],
  ];

/** What follows a layer's name. */
const slots: readonly (readonly [slot: 'down' | 'up' | 'alpha', pattern: RegExp])[] = [
  ['down', /(?:\.lora_down|\.lora_A(?:\.\w+)?|[._]lora\.down|\.lora_linear_layer\.down)\.weight$/],
  ['up', /(?:\.lora_up|\.lora_B(?:\.\w+)?|[._]lora\.up|\.lora_linear_layer\.up)\.weight$/],
  ['alpha', /(?:\.lora)?\.alpha$/],
];

/** Other ways to change weights, by what their tensors are called. */
const relatives: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['DoRA (weights with a magnitude)', /\.(?:dora_scale|lora_magnitude_vector(?:\.\w+)*)$/],
  ['LoHa (Hadamard products)', /\.hada_(?:w|t)\d/],
  ['LoKr (Kronecker products)', /\.lokr_(?:w|t)\d/],
  ['LoCon with a Tucker core', /\.lora_mid\.weight$/],
  ['OFT (orthogonal factors)', /\.(?:oft_|boft_)/],
  ['GLoRA', /\.(?:a1|a2|b1|b2|bm1|bm2|cm1)\.weight$/],
  ['IA3', /\.(?:on_input|ia3_l)$/],
  ['full differences', /\.(?:diff|diff_b|w_norm|b_norm)$/],
  ['a bias beside LoRA', /\.lora_B(?:\.\w+)?\.bias$/],
];

export interface ParsedLora {
  readonly modules: readonly LoraModule[];
  /** Names that are no part of an addition. */
  readonly unknown: readonly string[];
}

/** Groups a file's tensors by layer. Throws MODEL_UNSUPPORTED, naming the method, for its relatives. */
export function parseLoraKeys(path: string, keys: Iterable<string>): ParsedLora {
  const modules = new Map<string, { -readonly [K in keyof LoraModule]: LoraModule[K] }>();
  const unknown: string[] = [];
  for (const key of keys) {
    refuseRelative(path, key);
    const found = slots.find(([, pattern]) => pattern.test(key));
    if (!found) {
      unknown.push(key);
      continue;
    }
    const [slot, pattern] = found;
    const name = layerName(key.replace(pattern, ''));
    const module = modules.get(name.id) ?? { ...name.module };
    module[slot] = key;
    modules.set(name.id, module);
  }
  return { modules: [...modules.values()], unknown };
}

function refuseRelative(path: string, key: string): void {
  const relative = relatives.find(([, pattern]) => pattern.test(key));
  if (!relative) return;
  throw complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: 'low-rank pairs (LoRA, LoCon)',
    got: `${relative[0]}, as ${JSON.stringify(key.slice(0, 120))} shows`,
    next: 'Extract a plain LoRA from it, or use another file.',
  });
}

function layerName(name: string): { id: string; module: LoraModule } {
  const row = prefixes.find(([prefix]) => name.startsWith(prefix));
  const [prefix = '', component = 'any', isKohya = false] = row ?? [];
  const rest = name.slice(prefix.length);
  const layer = isKohya ? rest : presentName(rest, component);
  return { id: `${component}/${layer}`, module: { component, layer, isKohya } };
}

/** Old files name attention processors instead of layers: `attn1.processor.to_q` for `attn1.to_q`. */
function presentName(name: string, component: LoraComponent): string {
  const plain = name.replace(/^base_model\.model\./, '').replaceAll('.processor.', '.');
  if (component === 'text1' || component === 'text2' || /\bself_attn\./.test(plain)) {
    return plain
      .replace(/\.to_([qkv])(?:_lora)?$/, '.$1_proj')
      .replace(/\.to_out(?:_lora)?$/, '.out_proj');
  }
  return plain.replace(/\.to_([qkv])_lora$/, '.to_$1').replace(/\.to_out(?:_lora)?$/, '.to_out.0');
}
