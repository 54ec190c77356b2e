/** @file Settings found in a picture of any program, in our words, and what of them cannot be followed. */
import { MaliangError } from '../../core/errors.js';
import type { NoiseDevice } from '../../core/random-source.js';
import { resolveSampler, resolveSchedule } from '../../schedulers/names.js';
import type { Emphasis, PromptSyntax } from '../prompt-chunks.js';

/** Options of `generate`, as far as the file says them. */
export interface FoundSettings {
  prompt?: string;
  negativePrompt?: string;
  promptSyntax?: PromptSyntax;
  emphasis?: Emphasis;
  /** bigint above 2⁵³ − 1. */
  seed?: number | bigint;
  variationSeed?: number | bigint;
  variationStrength?: number;
  steps?: number;
  sampler?: string;
  schedule?: string;
  guidanceScale?: number;
  guidanceRescale?: number;
  eta?: number;
  width?: number;
  height?: number;
  clipSkip?: number;
  noiseSource?: NoiseDevice;
  strength?: number;
}

/** A model, LoRA or autoencoder as another program calls it. */
export interface NamedFile {
  readonly name: string;
  /** As written: often the first ten hexadecimal digits of a SHA-256. */
  readonly hash?: string | undefined;
  readonly weight?: number | undefined;
}

/** A setting that is not followed when the picture is drawn again. */
export interface NotHonoured {
  readonly field: string;
  readonly value: string;
}

export interface FoundRecipe {
  readonly program: { readonly name: string; readonly version?: string | undefined };
  readonly settings: Readonly<FoundSettings>;
  readonly model?: NamedFile | undefined;
  readonly vae?: NamedFile | undefined;
  readonly loras: readonly NamedFile[];
  /** Set when the picture was not drawn from words alone; the pictures are not in the file. */
  readonly startsFrom?: 'picture' | 'picture and mask' | undefined;
  readonly notHonoured: readonly NotHonoured[];
  /** What is read otherwise than the program meant it. */
  readonly warnings: readonly string[];
}

/** A recipe in the making. */
export class FoundRecipeBuilder {
  readonly settings: FoundSettings = {};
  readonly loras: NamedFile[] = [];
  readonly notHonoured: NotHonoured[] = [];
  readonly warnings: string[] = [];
  model: NamedFile | undefined;
  vae: NamedFile | undefined;
  startsFrom: FoundRecipe['startsFrom'];

  refuse(field: string, value: unknown): void {
    // A hostile graph may have many thousands.
    if (this.notHonoured.length < 200) this.notHonoured.push({ field, value: shortText(value) });
  }

  /** Keeps a number inside what `generate` takes; others are listed. */
  number(name: NumberSetting, value: number | undefined, field: string): void {
    if (value === undefined) return;
    const { from, to, isWhole } = limits[name];
    const fits = value >= from && value <= to && (!isWhole || Number.isInteger(value));
    if (fits) this.settings[name] = value;
    else this.refuse(field, value);
  }

  /** Both sides, or neither. */
  size(width: number | undefined, height: number | undefined, field: string): void {
    if (width === undefined || height === undefined) return;
    this.number('width', width, field);
    this.number('height', height, field);
    const { width: w, height: h } = this.settings;
    if (w !== undefined && h !== undefined) return;
    delete this.settings.width;
    delete this.settings.height;
  }

  /** Sampler and schedule under any name; what is not known is listed. */
  sampler(name: string | undefined, schedule: string | undefined, fields: [string, string]): void {
    const isKnownSchedule = schedule === undefined || succeeds(() => resolveSchedule(schedule));
    const fitting = isKnownSchedule ? schedule : undefined;
    if (!isKnownSchedule) this.refuse(fields[1], schedule);
    if (name === undefined || !succeeds(() => resolveSampler(name))) {
      if (name !== undefined) this.refuse(fields[0], name);
      if (fitting !== undefined) this.settings.schedule = fitting;
      return;
    }
    this.settings.sampler = name;
    if (fitting === undefined) return;
    if (succeeds(() => resolveSampler(name, fitting))) this.settings.schedule = fitting;
    else this.refuse(fields[1], fitting);
  }

  finish(program: string, version?: string): FoundRecipe {
    const { settings, loras, notHonoured, warnings, model, vae, startsFrom } = this;
    const found = { settings, loras, notHonoured, warnings, model, vae, startsFrom };
    return { program: { name: program, version }, ...found };
  }
}

/** What a file may ask for; a stranger's file shall not fill the memory. */
const limits = {
  steps: { from: 1, to: 1000, isWhole: true },
  guidanceScale: { from: 0, to: 100, isWhole: false },
  guidanceRescale: { from: 0, to: 1, isWhole: false },
  eta: { from: 0, to: 1, isWhole: false },
  width: { from: 1, to: 4096, isWhole: true },
  height: { from: 1, to: 4096, isWhole: true },
  clipSkip: { from: 0, to: 100, isWhole: true },
  strength: { from: 0, to: 1, isWhole: false },
  variationStrength: { from: 0, to: 1, isWhole: false },
} as const;
type NumberSetting = keyof typeof limits;

function succeeds(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof MaliangError) return false;
    throw error;
  }
}

const longest = 300;

function shortText(value: unknown): string {
  const text = typeof value === 'string' ? value : String(value);
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
