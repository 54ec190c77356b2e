/** @file Gathers what is found in a picture file, within limits, and the warnings on what is not. */
import { complain, errorTable, MaliangError } from '../core/errors.js';
import { pngTextLimits } from './png.js';

/** A text of a file. It comes from a stranger: escape it before it is shown. */
export interface MetadataText {
  /** Keyword of a PNG chunk, name of an EXIF tag, `Comment` of a JPEG. */
  readonly keyword: string;
  readonly text: string;
  readonly place: 'tEXt' | 'zTXt' | 'iTXt' | 'EXIF' | 'COM';
}

export interface PictureMetadata {
  readonly format: 'png' | 'jpeg' | 'webp';
  /** Pixels as the header says; 0 where it says none. */
  readonly width: number;
  readonly height: number;
  /** Above 1 for animations. */
  readonly frames: number;
  /** In file order. */
  readonly texts: readonly MetadataText[];
  /** The XMP packet. */
  readonly xmp: string | undefined;
  /** Whether there are signed Content Credentials; they are not verified. */
  readonly hasC2pa: boolean;
  /** What is damaged, too large or of a kind not read. */
  readonly warnings: readonly string[];
}

/** Bytes of one text or block, and of all of them; what is larger is not read. */
export const metadataLimits = pngTextLimits;
/** Blocks of a file that are looked at; a picture has some thousands at most. */
const mostBlocks = 100_000;

type Found = { -readonly [K in keyof PictureMetadata]: PictureMetadata[K] };

export class MetadataCollector {
  readonly where: string;
  readonly #found: Found = {
    format: 'png',
    width: 0,
    height: 0,
    frames: 1,
    texts: [],
    xmp: undefined,
    hasC2pa: false,
    warnings: [],
  };
  readonly #texts: MetadataText[] = [];
  readonly #warnings: string[] = [];
  #totalBytes = 0;
  #blocks = 0;

  /** `where` begins every warning. */
  constructor(where: string) {
    this.where = where;
  }

  /** Facts of the header. */
  set(facts: Partial<Omit<Found, 'texts' | 'warnings'>>): void {
    Object.assign(this.#found, facts);
  }

  addText(text: MetadataText): void {
    this.#texts.push(text);
  }

  setXmp(packet: string): void {
    if (this.#found.xmp === undefined) this.#found.xmp = packet;
    else this.warn('a second XMP packet is not read.');
  }

  warn(message: string): void {
    // A hostile file may be broken in a million places.
    if (this.#warnings.length < 20) this.#warnings.push(`${this.where}: ${message}`);
  }

  /** Counts a block; false when there are too many to look at. */
  countBlock(): boolean {
    if (this.#blocks++ < mostBlocks) return true;
    this.warn(`more than ${mostBlocks} blocks; the rest is not looked at.`);
    return false;
  }

  /** Whether so many bytes may still be read; a warning when not. */
  admits(name: string, bytes: number): boolean {
    const { chunkBytes, totalBytes } = metadataLimits;
    if (bytes > chunkBytes) {
      this.warn(`${name} has ${bytes} bytes, more than ${chunkBytes}; it is not read.`);
      return false;
    }
    this.#totalBytes += bytes;
    if (this.#totalBytes <= totalBytes) return true;
    this.warn(`${name}: the texts before it have ${totalBytes} bytes already; it is not read.`);
    return false;
  }

  /** Runs a reader of one block; what it complains of becomes a warning. */
  attempt(name: string, read: () => void): void {
    try {
      read();
    } catch (cause) {
      if (!(cause instanceof MaliangError)) throw cause;
      const problem = cause.message.replace(/^\w+: /, '').replace(errorTable.IMAGE.cure, '');
      this.warn(`${name} is broken and not read: ${problem.trim()}`);
    }
  }

  result(): PictureMetadata {
    return { ...this.#found, texts: this.#texts, warnings: this.#warnings };
  }
}

/** The error for a block that is not what it should be; `attempt` makes it a warning. */
export function damaged(expected: string, got: string): MaliangError {
  return complain('IMAGE', { where: 'metadata', expected, got });
}
