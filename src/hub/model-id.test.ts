/** @file What is an id of a hub, and what can only be a path. */
import { expect, it } from 'vitest';
import { isInside, isRevision, parseModelId } from './model-id.js';

it.each([
  ['tiny/sd1', { id: 'tiny/sd1' }],
  ['stabilityai/sd-turbo@refs/pr/3', { id: 'stabilityai/sd-turbo', revision: 'refs/pr/3' }],
  ['a/b_c.d@v1.0', { id: 'a/b_c.d', revision: 'v1.0' }],
  ['a/b/sub/x.safetensors', { id: 'a/b', file: 'sub/x.safetensors' }],
  ['a/b/x.ckpt@main', { id: 'a/b', file: 'x.ckpt', revision: 'main' }],
])('%s is an id', (text, parts) => {
  expect(parseModelId(text)).toEqual({ revision: undefined, file: undefined, ...parts });
});

it.each([
  'sd1',
  '/a/b',
  './a',
  '../a/b',
  'a/',
  'a//b',
  'a/b/c',
  'a/b.git',
  'a/b.safetensors',
  'models/v1.ckpt',
  'C:\\a\\b',
  'a b/c',
  'a--b/c',
  'a/..',
  '-a/b',
  'a/b-',
  'a/b/../x.safetensors',
  'a/b@',
  'a/b@../x',
  'a/b@x y',
  `a/${'b'.repeat(97)}`,
  '模型/名',
])('%s is a path', (text) => {
  expect(parseModelId(text)).toBeUndefined();
});

it.each(['main', 'v1.0', 'feature/x', 'refs/pr/1', '0'.repeat(40)])('%s is a revision', (text) => {
  expect(isRevision(text)).toBe(true);
});

it.each(['', '..', 'a/../b', '/a', 'a/', 'a\\b', 'a:b', 'a\nb', 'x.lock', 'a@{1}', '.'])(
  '%j is none',
  (text) => {
    expect(isRevision(text)).toBe(false);
  },
);

it('names inside a folder stay there', () => {
  const inside = ['a.json', 'unet/a b.json', 'モデル/a', 'a..b', '...'];
  expect(inside.filter((path) => !isInside(path))).toEqual([]);
  const outside = [
    '',
    '/a',
    '../a',
    'a/..',
    'a/./b',
    'a//b',
    'a\\b',
    'c:a',
    'a\0',
    'x'.repeat(256),
  ];
  expect(outside.filter(isInside)).toEqual([]);
});
