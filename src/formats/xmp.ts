/** @file XMP packets: properties as text or language alternatives, written and read (XMP part 1, ISO 16684). */
import { readXml, type XmlElement } from './xml-elements.js';

/** Prefixes that are written, by the namespace they stand for. */
export const xmpNamespaces = {
  dc: 'http://purl.org/dc/elements/1.1/',
  xmp: 'http://ns.adobe.com/xap/1.0/',
  Iptc4xmpCore: 'http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/',
  Iptc4xmpExt: 'http://iptc.org/std/Iptc4xmpExt/2008-02-29/',
  maliang: 'urn:maliang:recipe:1:',
} as const;

export type XmpName = `${keyof typeof xmpNamespaces}:${string}`;

export interface XmpProperty {
  readonly name: XmpName;
  readonly value: string;
  /** Set: written as alternatives by language, of which this is the only one. */
  readonly language?: string;
}

const rdf = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';
const xml = 'http://www.w3.org/XML/1998/namespace';
const lists = new Set(['Alt', 'Bag', 'Seq'].map((name) => rdf + name));

/** A packet for a picture file. Characters XML does not know are written as U+FFFD. */
export function writeXmp(properties: readonly XmpProperty[]): string {
  const used = Object.entries(xmpNamespaces).filter(([prefix]) =>
    properties.some(({ name }) => name.startsWith(`${prefix}:`)),
  );
  const declared = used.map(([prefix, uri]) => ` xmlns:${prefix}="${uri}"`).join('');
  return [
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    `<rdf:RDF xmlns:rdf="${rdf}">`,
    `<rdf:Description rdf:about=""${declared}>`,
    ...properties.map(element),
    '</rdf:Description>',
    '</rdf:RDF>',
    '</x:xmpmeta>',
    '<?xpacket end="w"?>',
  ].join('\n');
}

function element({ name, value, language }: XmpProperty): string {
  const text = escaped(value);
  if (language === undefined) return `<${name}>${text}</${name}>`;
  const items = ['x-default', ...(language === '' ? [] : [language])].map(
    (tag) => `<rdf:li xml:lang="${tag}">${text}</rdf:li>`,
  );
  return `<${name}><rdf:Alt>${items.join('')}</rdf:Alt></${name}>`;
}

function escaped(text: string): string {
  return (
    text
      .replace(/\p{Surrogate}/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML 1.0 cannot hold
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('\r', '&#13;')
  );
}

/** Values by namespace and local name; of language alternatives the default comes first. */
export function readXmp(packet: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  const add = (name: string, found: readonly string[]): void => {
    values.set(name, [...(values.get(name) ?? []), ...found]);
  };
  for (const description of descriptions(readXml(packet))) {
    for (const [name, value] of description.attributes) {
      if (name.includes(':') && !name.startsWith(rdf) && !name.startsWith(xml)) add(name, [value]);
    }
    for (const child of description.children) add(child.name, valuesOf(child));
  }
  return values;
}

function descriptions(root: XmlElement): XmlElement[] {
  const holder =
    root.name === `${rdf}RDF` ? root : root.children.find(({ name }) => name === `${rdf}RDF`);
  return (holder?.children ?? []).filter(({ name }) => name === `${rdf}Description`);
}

function valuesOf(property: XmlElement): string[] {
  const list = property.children.find(({ name }) => lists.has(name));
  if (!list) return [property.attributes.get(`${rdf}resource`) ?? property.text.trim()];
  return list.children.map((item) => item.attributes.get(`${rdf}resource`) ?? item.text);
}
