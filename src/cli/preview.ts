/** @file A small picture in the terminal: kitty's graphics protocol, iTerm2's inline images, or half blocks. */
import type { Terminal } from './terminal.js';

export interface PreviewPicture {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** `[height, width, channels]`, 0 to 255. */
  readonly data: Uint8Array;
  /** The same picture as a PNG file. */
  readonly png: Uint8Array;
}

export type PreviewKind = 'kitty' | 'iterm2' | 'half-blocks';

/** Text columns of a preview; a row is about two columns high. */
const previewColumns = 32;
const kittyChunk = 4096;

/** What stdout can show, told from the environment; nothing inside multiplexers but half blocks. */
export function previewKind(terminal: Terminal): PreviewKind | undefined {
  if (!terminal.isTerminal('stdout')) return undefined;
  const { env } = terminal;
  const isMultiplexed = Boolean(env.TMUX || env.STY);
  if (!isMultiplexed) {
    const program = env.TERM_PROGRAM ?? '';
    if (env.KITTY_WINDOW_ID || env.TERM === 'xterm-kitty') return 'kitty';
    if (program === 'ghostty' || env.TERM === 'xterm-ghostty') return 'kitty';
    if (program === 'iTerm.app' || program === 'WezTerm') return 'iterm2';
    if (env.LC_TERMINAL === 'iTerm2') return 'iterm2';
  }
  return terminal.hasTrueColour('stdout') ? 'half-blocks' : undefined;
}

/** The characters that show the picture, line break included. */
export function preview(kind: PreviewKind, picture: PreviewPicture, columns: number): string {
  const width = Math.max(1, Math.min(previewColumns, columns - 1, picture.width));
  const rows = Math.max(1, Math.round((width * picture.height) / picture.width / 2));
  switch (kind) {
    case 'kitty':
      return `${kitty(picture.png, width, rows)}\n`;
    case 'iterm2':
      return `${iterm2(picture.png, width, rows)}\n`;
    case 'half-blocks':
      return halfBlocks(picture, width, rows);
  }
}

/** https://sw.kovidgoyal.net/kitty/graphics-protocol/: a PNG in base64 chunks, no answer wanted. */
function kitty(png: Uint8Array, columns: number, rows: number): string {
  const encoded = Buffer.from(png).toString('base64');
  let out = '';
  for (let at = 0; at < encoded.length; at += kittyChunk) {
    const hasMore = at + kittyChunk < encoded.length ? 1 : 0;
    const keys = at === 0 ? `a=T,f=100,q=2,c=${columns},r=${rows},m=${hasMore}` : `m=${hasMore}`;
    out += `\u001b_G${keys};${encoded.slice(at, at + kittyChunk)}\u001b\\`;
  }
  return out;
}

/** https://iterm2.com/documentation-images.html */
function iterm2(png: Uint8Array, columns: number, rows: number): string {
  const encoded = Buffer.from(png).toString('base64');
  const keys = `inline=1;size=${png.length};width=${columns};height=${rows};preserveAspectRatio=1`;
  return `\u001b]1337;File=${keys}:${encoded}\u0007`;
}

/** Two pixels per character: the upper as foreground, the lower as background. */
function halfBlocks(picture: PreviewPicture, width: number, rows: number): string {
  const pixel = (x: number, y: number): string =>
    averageOf(picture, [x / width, (x + 1) / width], [y / (rows * 2), (y + 1) / (rows * 2)]);
  let out = '';
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      const [upper, lower] = [pixel(x, row * 2), pixel(x, row * 2 + 1)];
      out += `\u001b[38;2;${upper};48;2;${lower}m▀`;
    }
    out += '\u001b[0m\n';
  }
  return out;
}

type Span = readonly [number, number];

/** Mean colour of a part of the picture, given in shares of its sides; transparency on white. */
function averageOf({ data, width, height, channels }: PreviewPicture, x: Span, y: Span): string {
  const [left, right] = pixelSpan(x, width);
  const [top, bottom] = pixelSpan(y, height);
  const sums = [0, 0, 0];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const at = (row * width + column) * channels;
      const alpha = channels === 4 ? data[at + 3]! / 255 : 1;
      for (let c = 0; c < 3; c++) sums[c]! += data[at + c]! * alpha + 255 * (1 - alpha);
    }
  }
  const count = (right - left) * (bottom - top);
  return sums.map((sum) => Math.round(sum / count)).join(';');
}

function pixelSpan([from, to]: Span, size: number): Span {
  const first = Math.min(size - 1, Math.floor(from * size));
  return [first, Math.max(first + 1, Math.min(size, Math.floor(to * size)))];
}
