/** @file An EXIF block with one text, as other programs write it. */

/** A TIFF file of one entry; `type` is 2 for ASCII, 7 for bytes. */
export function exifBlock(
  tag: number,
  value: Buffer,
  { little = true, type = 7 }: { readonly little?: boolean; readonly type?: number } = {},
): Buffer {
  const out = Buffer.alloc(26);
  const u16 = (v: number, at: number) =>
    little ? out.writeUInt16LE(v, at) : out.writeUInt16BE(v, at);
  const u32 = (v: number, at: number) =>
    little ? out.writeUInt32LE(v, at) : out.writeUInt32BE(v, at);
  out.write(little ? 'II*\0' : 'MM\0*', 'latin1');
  u32(8, 4);
  u16(1, 8);
  u16(tag, 10);
  u16(type, 12);
  u32(value.length, 14);
  u32(26, 18);
  return Buffer.concat([out, value]);
}
