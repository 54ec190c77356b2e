/** @file How a model wants its pictures: preprocessor_config.json of transformers' CLIP, SigLIP and BLIP image processors. */
import { complain } from '../core/errors.js';
import { type PillowKernel, pillowKernels } from '../formats/resample.js';
import { ConfigReader } from '../models/config-reader.js';

export interface PixelSize {
  readonly height: number;
  readonly width: number;
}

/** The size a picture is brought to, given its own. */
export type SizeRule = (size: PixelSize) => PixelSize;

export interface ImageProcessor {
  /** Absent when pictures keep their size. */
  readonly resize: { readonly rule: SizeRule; readonly kernel: PillowKernel } | undefined;
  /** Cut out of the middle, black where the picture is smaller. */
  readonly crop: PixelSize | undefined;
  /** Multiplied to the bytes first. */
  readonly scale: number | undefined;
  /** Then (value − mean) / std by channel. */
  readonly normal:
    | { readonly mean: readonly number[]; readonly std: readonly number[] }
    | undefined;
}

interface ClassDefaults {
  readonly size: unknown;
  readonly crops: boolean;
  /** A lone number is a square, not the shortest edge. */
  readonly isSquare: boolean;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const openai = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** By the class without `Fast`, `Pil` and the old `FeatureExtractor`. */
const classes: Readonly<Record<string, ClassDefaults>> = {
  CLIPImageProcessor: { size: { shortest_edge: 224 }, crops: true, isSquare: false, ...openai },
  SiglipImageProcessor: {
    size: { height: 224, width: 224 },
    crops: false,
    isSquare: false,
    ...half,
  },
  BlipImageProcessor: {
    size: { height: 384, width: 384 },
    crops: false,
    isSquare: true,
    ...openai,
  },
};

/** Fields that change no number. */
const unread = `data_format device disable_grouping do_convert_rgb feature_extractor_type
  image_processor_type image_seq_length input_data_format processor_class return_tensors size_divisor
  transformers_version`.split(/\s+/);

/** Reads a preprocessor_config.json; `otherwise` is the class of files that name none. Throws CONFIG or MODEL_UNSUPPORTED. */
export function parseImageProcessor(
  json: unknown,
  otherwise = 'CLIPImageProcessor',
): ImageProcessor {
  const read = new ConfigReader('preprocessor_config.json', json);
  const defaults = defaultsOf(read, otherwise);
  read.ignore(...unread);
  read.only('pad_size', null);
  read.only('use_square_size', false, null);
  read.boolean('do_pad', false); // Without a size it pads pictures to the largest of a batch.
  const isSquare = read.boolean('default_to_square', defaults.isSquare);
  const processor = {
    resize: readResize(read, defaults, isSquare),
    crop: readCrop(read, defaults),
    scale: optional(read, 'do_rescale', true, () => read.number('rescale_factor', 1 / 255)),
    normal: optional(read, 'do_normalize', true, () => ({
      mean: channels(read, 'image_mean', defaults.mean),
      std: channels(read, 'image_std', defaults.std),
    })),
  };
  read.ignore('size', 'crop_size', 'resample', 'rescale_factor', 'image_mean', 'image_std');
  read.done();
  return processor;
}

function defaultsOf(read: ConfigReader, otherwise: string): ClassDefaults {
  const name = read.raw('image_processor_type') ?? read.raw('feature_extractor_type') ?? otherwise;
  const plain = `${name}`
    .replace(/(?:Fast|Pil)$/, '')
    .replace('FeatureExtractor', 'ImageProcessor');
  if (Object.hasOwn(classes, plain)) return classes[plain]!;
  throw complain('MODEL_UNSUPPORTED', {
    where: 'preprocessor_config.json',
    expected: `image_processor_type of ${Object.keys(classes).join(', ')}`,
    got: JSON.stringify(`${name}`.slice(0, 80)),
    next: 'Maliang does not prepare pictures for this model.',
  });
}

function optional<T>(
  read: ConfigReader,
  flag: string,
  otherwise: boolean,
  value: () => T,
): T | undefined {
  return read.boolean(flag, otherwise) ? value() : undefined;
}

function channels(read: ConfigReader, field: string, fallback: readonly number[]): number[] {
  const value = read.raw(field) ?? fallback;
  const list = typeof value === 'number' ? [value, value, value] : value;
  const fits = Array.isArray(list) && list.length === 3 && list.every(Number.isFinite);
  if (fits && (field === 'image_mean' || !list.includes(0))) return list as number[];
  throw read.wrong(
    `${field} a number or 3 numbers${field === 'image_std' ? ', not 0' : ''}`,
    value,
  );
}

function readResize(read: ConfigReader, { size }: ClassDefaults, isSquare: boolean) {
  return optional(read, 'do_resize', true, () => {
    const number = read.integer('resample', 3, { min: 0, max: pillowKernels.length - 1 });
    return {
      rule: sizeRule(read, read.raw('size') ?? size, isSquare),
      kernel: pillowKernels[number]!,
    };
  });
}

function readCrop(read: ConfigReader, { crops }: ClassDefaults): PixelSize | undefined {
  return optional(read, 'do_center_crop', crops, () => {
    const fields = sizeFields(read, 'crop_size', read.raw('crop_size') ?? 224, true);
    const { height, width } = fields;
    if (height !== undefined && width !== undefined) return { height, width };
    throw read.wrong('crop_size with height and width', fields);
  });
}

const most = 16_384;

/** A size as an object of whole numbers; a lone number and a pair have the meaning transformers gives them. */
function sizeFields(
  read: ConfigReader,
  field: string,
  value: unknown,
  isSquare: boolean,
): Readonly<Record<string, number | undefined>> {
  const fields =
    typeof value === 'number'
      ? isSquare
        ? { height: value, width: value }
        : { shortest_edge: value }
      : Array.isArray(value) && value.length === 2
        ? { height: value[0], width: value[1] }
        : value;
  const isObject = typeof fields === 'object' && fields !== null;
  const entries = isObject ? Object.entries(fields).filter(([, size]) => size !== null) : [];
  const isWhole = (size: unknown): boolean =>
    Number.isInteger(size) && (size as number) >= 1 && (size as number) <= most;
  if (entries.length > 0 && entries.every(([, size]) => isWhole(size))) {
    return Object.fromEntries(entries);
  }
  throw read.wrong(`${field} with whole numbers from 1 to ${most}`, value);
}

function sizeRule(read: ConfigReader, value: unknown, isSquare: boolean): SizeRule {
  const fields = sizeFields(read, 'size', value, isSquare);
  const keys = Object.keys(fields).sort().join();
  const { shortest_edge: short, longest_edge: long, height, width } = fields;
  if (keys === 'height,width') return () => ({ height: height!, width: width! });
  if (keys === 'shortest_edge') return (size) => toShortestEdge(size, short!);
  if (keys === 'longest_edge,shortest_edge') return (size) => withinEdges(size, short!, long!);
  if (keys === 'max_height,max_width') {
    return (size) => within(size, fields.max_height!, fields.max_width!);
  }
  throw read.wrong(
    'size with height and width, shortest_edge, shortest_edge and longest_edge, or max_height and max_width',
    value,
  );
}

function toShortestEdge({ height, width }: PixelSize, edge: number): PixelSize {
  return width <= height
    ? { width: edge, height: Math.trunc((edge * height) / width) }
    : { height: edge, width: Math.trunc((edge * width) / height) };
}

/** The shortest edge, unless the longest would grow beyond its own limit. */
function withinEdges({ height, width }: PixelSize, edge: number, longest: number): PixelSize {
  const [least, most] = [Math.min(height, width), Math.max(height, width)];
  const isLimited = (most / least) * edge > longest;
  const raw = isLimited ? (longest * least) / most : edge;
  const short = isLimited ? roundHalfToEven(raw) : edge;
  if (least === short) return { height, width };
  return width < height
    ? { width: short, height: Math.trunc((raw * height) / width) }
    : { height: short, width: Math.trunc((raw * width) / height) };
}

function within({ height, width }: PixelSize, highest: number, widest: number): PixelSize {
  const scale = Math.min(highest / height, widest / width);
  return { height: Math.trunc(height * scale), width: Math.trunc(width * scale) };
}

function roundHalfToEven(value: number): number {
  const whole = Math.floor(value);
  const rest = value - whole;
  return rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole;
}
