/** @file The three ways to show a picture, decoded again as a terminal would. */
import { expect, it } from 'vitest';
import { preview } from './preview.js';

/** Left half red, right half blue, lower half darker. */
function picture(side: number, channels: 3 | 4 = 3) {
  const data = new Uint8Array(side * side * channels);
  for (let at = 0; at < side * side; at++) {
    const [x, y] = [at % side, Math.floor(at / side)];
    data[at * channels + (x < side / 2 ? 0 : 2)] = y < side / 2 ? 250 : 100;
    if (channels === 4) data[at * 4 + 3] = 0;
  }
  const png = Uint8Array.from({ length: 9000 }, (_, i) => i % 251);
  return { width: side, height: side, channels, data, png };
}

it('kitty gets the PNG in chunks of 4096 characters', () => {
  const { png } = picture(128);
  const shown = preview('kitty', picture(128), 80);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the protocol is made of them
  const chunks = [...shown.matchAll(/\u001b_G([^;]*);([^\u001b]*)\u001b\\/g)];
  expect(chunks.map(([, keys]) => keys)).toEqual(['a=T,f=100,q=2,c=32,r=16,m=1', 'm=1', 'm=0']);
  expect(chunks.every(([, , part]) => part!.length <= 4096)).toBe(true);
  expect(Buffer.from(chunks.map(([, , part]) => part).join(''), 'base64')).toEqual(
    Buffer.from(png),
  );
  expect(shown.endsWith('\u001b\\\n')).toBe(true);
});

it('iTerm2 gets the PNG in one piece', () => {
  const shown = preview('iterm2', picture(128), 80);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the protocol is made of them
  const [, keys, encoded] = /^\u001b\]1337;File=([^:]*):([^\u0007]*)\u0007\n$/.exec(shown)!;
  expect(keys).toBe('inline=1;size=9000;width=32;height=16;preserveAspectRatio=1');
  expect(Buffer.from(encoded!, 'base64')).toEqual(Buffer.from(picture(128).png));
});

it('half blocks average the pixels below them', () => {
  expect(preview('half-blocks', picture(4), 3)).toBe(
    '\u001b[38;2;250;0;0;48;2;100;0;0m▀\u001b[38;2;0;0;250;48;2;0;0;100m▀\u001b[0m\n',
  );
  const lines = preview('half-blocks', picture(128), 80).trimEnd().split('\n');
  expect(lines).toHaveLength(16);
  expect(lines[0]!.match(/▀/g)).toHaveLength(32);
});

it('a wide picture keeps its shape, a transparent one lies on white', () => {
  const wide = { ...picture(2), width: 4, height: 1 };
  expect(preview('half-blocks', wide, 80).match(/▀/g)).toHaveLength(4);
  expect(preview('half-blocks', picture(2, 4), 80)).toContain('38;2;255;255;255');
});
