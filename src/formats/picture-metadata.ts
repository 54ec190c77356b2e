/** @file What a PNG, JPEG or WebP file says beside its pixels; nothing is decoded, damage is named and passed over. */
import { complain } from '../core/errors.js';
import { type ByteSource, buffered, bytesInMemory, latin1 } from './byte-source.js';
import { scanJpeg } from './jpeg-metadata.js';
import {
  MetadataCollector,
  type MetadataText,
  type PictureMetadata,
} from './metadata-collector.js';
import { scanPng } from './png-metadata.js';
import { scanWebp } from './webp-metadata.js';

export type { MetadataText, PictureMetadata };

/** Throws IMAGE for what is no PNG, JPEG or WebP file. Reads headers and texts, never the pixels. */
export async function readPictureMetadata(
  picture: Uint8Array | ByteSource,
  where = 'readPictureMetadata',
): Promise<PictureMetadata> {
  const source = picture instanceof Uint8Array ? bytesInMemory(picture) : buffered(picture);
  const head = latin1(await source.read(0, 16));
  const collector = new MetadataCollector(where);
  if (head.startsWith('\x89PNG\r\n\x1a\n')) await scanPng(source, collector);
  else if (head.startsWith('\xff\xd8\xff')) await scanJpeg(source, collector);
  else if (/^RIFF[\s\S]{4}WEBP/.test(head)) await scanWebp(source, collector);
  else {
    const got = source.size === 0 ? 'zero bytes' : `a file beginning with ${hex(head.slice(0, 8))}`;
    throw complain('IMAGE', { where, expected: 'a PNG, JPEG or WebP file', got });
  }
  return collector.result();
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
