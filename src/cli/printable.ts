/** @file Text for a terminal or a shell: nothing a prompt or a file holds may steer either. */

/** Control characters, line separators and the marks that reorder text. */
const steering =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
const steeringOnce = new RegExp(steering.source, 'u');
const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with control characters and reordering marks written as escapes. */
export function printable(text: string): string {
  return text.replace(steering, (character) => {
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    return shortEscapes[character] ?? (code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex}`);
  });
}

/** As `printable`, line breaks kept: for text of several lines that Maliang composed. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/**
 * One argument for a POSIX shell; pasting it gives exactly `text` back. Plain words stay as they
 * are, control characters use `$'…'` (bash, zsh, ksh).
 */
export function quoteForShell(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  if (!steeringOnce.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  const escaped = text.replace(/['\\]/g, '\\$&').replace(steering, (character) => {
    const bytes = [...Buffer.from(character)];
    return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
  return `$'${escaped}'`;
}

/** A value as JSON in which nothing can steer the terminal; readers of JSON see what it holds. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(steering, (character) => {
    const code = character.charCodeAt(0);
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
