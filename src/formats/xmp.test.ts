/** @file XMP packets: written and read back; other writers' forms; packets that attack the reader. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readXmp, writeXmp, xmpNamespaces } from './xmp.js';

const { dc, Iptc4xmpCore } = xmpNamespaces;
const rdf = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';
const packet = (body: string, attributes = '') =>
  `<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="${rdf}"><r:Description r:about="" xmlns:d="${dc}"${attributes}>${body}</r:Description></r:RDF></x:xmpmeta>`;

it('any text comes back, but for what XML cannot hold', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const back = readXmp(writeXmp([{ name: 'dc:title', value, language: 'en' }]));
      const whole = value
        .replace(/\p{Surrogate}/gu, '\ufffd')
        // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML cannot hold
        .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
      expect(back.get(`${dc}title`)).toEqual([whole, whole]);
    }),
  );
});

it('writes language alternatives with the default first', () => {
  expect(
    writeXmp([{ name: 'Iptc4xmpCore:AltTextAccessibility', value: 'a < b', language: 'zh' }]),
  ).toContain(
    '<Iptc4xmpCore:AltTextAccessibility><rdf:Alt><rdf:li xml:lang="x-default">a &lt; b</rdf:li><rdf:li xml:lang="zh">a &lt; b</rdf:li></rdf:Alt></Iptc4xmpCore:AltTextAccessibility>',
  );
  expect(Iptc4xmpCore).toBe('http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/');
});

it.each([
  ['an attribute', packet('', ' d:source="a &amp; b"'), ['a & b']],
  ['an element', packet('<d:source> a &#x26; b </d:source>'), ['a & b']],
  ['a resource', packet(`<d:source r:resource="a &#38; b"/>`), ['a & b']],
  [
    'a list',
    packet('<d:source><r:Bag><r:li>1</r:li><r:li>2</r:li></r:Bag></d:source>'),
    ['1', '2'],
  ],
  ['CDATA and comments', packet('<d:source><!-- < -->a <![CDATA[& b]]></d:source>'), ['a & b']],
])('reads a value in the form of %s, whatever its prefix', (_, text, expected) => {
  expect(readXmp(text).get(`${dc}source`)).toEqual(expected);
});

it('a packet without a description says nothing', () => {
  expect(readXmp('<x/>').size).toBe(0);
});

describe('packets that attack', () => {
  const deep = `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`;
  it.each([
    ['entities of their own', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 'no document type'],
    ['unknown entities', '<a>&b;</a>', 'an entity of XML'],
    ['depth', deep, 'at most 32 levels'],
    ['mass', `<a>${'<b/>'.repeat(30_000)}</a>`, 'at most 20000 elements'],
    ['crossed tags', '<a><b></a></b>', '</b>'],
    ['no end', '<a><b>', 'an end of <b>'],
    ['an open comment', '<a><!-- ', '-->'],
    ['a strange prefix', '<x:a/>', 'a declared prefix'],
    ['spaces', `<a ${' '.repeat(1_000_000)}`, 'the end of <a>'],
    ['a long name', `<${'a'.repeat(1_000_000)}>`, 'the end of'],
    ['nothing', 'words', 'an element'],
    ['characters beyond Unicode', '<a>&#x110000;</a>', 'an entity of XML'],
  ])('%s', (_, text, expected) => {
    const start = performance.now();
    expect(() => readXmp(text)).toThrow(`xml: expected ${expected}`);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('names of JavaScript are names like others', () => {
    const found = readXmp(packet('<d:__proto__>x</d:__proto__><d:constructor>y</d:constructor>'));
    expect([found.get(`${dc}__proto__`), found.get(`${dc}constructor`)]).toEqual([['x'], ['y']]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});
