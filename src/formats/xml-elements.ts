/** @file A small XML 1.0 reader with namespaces for untrusted packets: no document types, no entities of their own, bounded. */
import { complain, type MaliangError } from '../core/errors.js';

export interface XmlElement {
  /** Namespace and local name, joined: `http://purl.org/dc/elements/1.1/title`. */
  readonly name: string;
  /** By namespace and local name; those without a prefix by their local name. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own character data. */
  readonly text: string;
}

const maxDepth = 32;
const maxElements = 20_000;
const entities: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
};
const tagName = /[^\s<>/="'!?]{1,200}/y;
const attribute = /\s+([^\s<>/="'!?]{1,200})\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const tagEnd = /\s*(\/?)>/y;

interface Open {
  readonly tag: string;
  readonly element: { -readonly [K in keyof XmlElement]: XmlElement[K] } & {
    children: XmlElement[];
  };
  readonly prefixes: ReadonlyMap<string, string>;
}

/** The root element. Throws IMAGE on anything that is not well-formed or too large. */
export function readXml(text: string): XmlElement {
  const root: Open = { tag: '', element: emptyElement('', new Map()), prefixes: builtInPrefixes };
  const open: Open[] = [root];
  let elements = 0;
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('<', at);
    const data = text.slice(at, next < 0 ? text.length : next);
    open.at(-1)!.element.text += decoded(data);
    if (next < 0) break;
    const skipped = afterMarkup(text, next, open.at(-1)!);
    if (skipped !== undefined) at = skipped;
    else if (text[next + 1] === '/') at = close(text, next, open);
    else {
      if (++elements > maxElements) throw refuse(`at most ${maxElements} elements`, 'more');
      at = openTag(text, next, open);
    }
  }
  if (open.length > 1) throw refuse(`an end of <${open.at(-1)!.tag}>`, 'none');
  const found = root.element.children[0];
  if (!found) throw refuse('an element', 'none');
  return found;
}

const builtInPrefixes: ReadonlyMap<string, string> = new Map([
  ['', ''],
  ['xml', 'http://www.w3.org/XML/1998/namespace'],
]);

/** Behind an instruction, comment or CDATA section; undefined for a tag. */
function afterMarkup(text: string, at: number, { element }: Open): number | undefined {
  if (text.startsWith('<?', at)) return behind(text, '?>', at);
  if (text.startsWith('<!--', at)) return behind(text, '-->', at);
  if (text.startsWith('<![CDATA[', at)) {
    const end = behind(text, ']]>', at);
    element.text += text.slice(at + 9, end - 3);
    return end;
  }
  if (text.startsWith('<!', at)) throw refuse('no document type', text.slice(at, at + 20));
  return undefined;
}

function behind(text: string, end: string, at: number): number {
  const found = text.indexOf(end, at);
  if (found < 0) throw refuse(`${end} after character ${at}`, 'none');
  return found + end.length;
}

function openTag(text: string, at: number, open: Open[]): number {
  const tag = match(tagName, text, at + 1)?.[0];
  if (tag === undefined) throw refuse(`a tag at character ${at}`, text.slice(at, at + 20));
  let end = at + 1 + tag.length;
  const given: [name: string, value: string][] = [];
  for (;;) {
    const found = match(attribute, text, end);
    if (!found) break;
    given.push([found[1]!, decoded(found[2] ?? found[3] ?? '')]);
    end += found[0].length;
  }
  const closing = match(tagEnd, text, end);
  if (!closing) throw refuse(`the end of <${tag}>`, text.slice(end, end + 20));
  const parent = open.at(-1)!;
  const prefixes = withDeclared(parent.prefixes, given);
  const attributes = given
    .filter(([name]) => name !== 'xmlns' && !name.startsWith('xmlns:'))
    .map(([name, value]) => [name.includes(':') ? expand(name, prefixes) : name, value] as const);
  const element = emptyElement(expand(tag, prefixes), new Map(attributes));
  parent.element.children.push(element);
  if (closing[1] === '') {
    if (open.length > maxDepth) throw refuse(`at most ${maxDepth} levels`, 'more');
    open.push({ tag, element, prefixes });
  }
  return end + closing[0].length;
}

function close(text: string, at: number, open: Open[]): number {
  const { tag } = open.at(-1)!;
  const end = text.indexOf('>', at);
  const name = text.slice(at + 2, end < 0 ? at + 40 : end).trimEnd();
  if (end < 0 || open.length === 1 || name !== tag) throw refuse(`</${tag}>`, `</${name}>`);
  open.pop();
  return end + 1;
}

function withDeclared(
  prefixes: ReadonlyMap<string, string>,
  given: readonly (readonly [string, string])[],
): ReadonlyMap<string, string> {
  const declared = given.filter(([name]) => name === 'xmlns' || name.startsWith('xmlns:'));
  if (declared.length === 0) return prefixes;
  return new Map([...prefixes, ...declared.map(([name, uri]) => [name.slice(6), uri] as const)]);
}

function expand(name: string, prefixes: ReadonlyMap<string, string>): string {
  const [prefix, local] = name.includes(':') ? name.split(':', 2) : ['', name];
  const uri = prefixes.get(prefix!);
  if (uri === undefined) throw refuse('a declared prefix', prefix!);
  return uri + local!;
}

function emptyElement(name: string, attributes: ReadonlyMap<string, string>): Open['element'] {
  return { name, attributes, children: [], text: '' };
}

function decoded(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&\s]{0,12});?/g, (whole, name: string) => {
    const known = Object.hasOwn(entities, name) ? entities[name] : undefined;
    if (known !== undefined) return known;
    const found = /^#(?:x([\da-f]+)|(\d+))$/i.exec(name);
    const code = found ? Number.parseInt(found[1] ?? found[2]!, found[1] ? 16 : 10) : -1;
    if (code < 0 || code > 0x10ffff) throw refuse('an entity of XML', whole);
    return String.fromCodePoint(code);
  });
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function refuse(expected: string, got: string): MaliangError {
  return complain('IMAGE', { where: 'xml', expected, got: got.slice(0, 80) });
}
