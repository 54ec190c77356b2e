/** @file Names of models on a hub: `owner/name`, with `/file.safetensors` and `@revision` where wanted. */
import { statSync } from 'node:fs';
import { complain } from '../core/errors.js';

export interface ModelId {
  /** `owner/name`. */
  readonly id: string;
  /** A branch, tag, `refs/pr/N` or commit. */
  readonly revision: string | undefined;
  /** One weight file of the model, such as `v1.safetensors`. */
  readonly file: string | undefined;
}

const commitPattern = /^[0-9a-f]{40}$/;
const partPattern = /^(?!-|\.)(?!.*(?:--|\.\.))[\w.-]{1,96}(?<![-.])$/;

/** True for the 40 hex digits of a commit. */
export function isCommit(revision: string): boolean {
  return commitPattern.test(revision);
}

/** Reads a model id by the rules of the hub; undefined when the text is none. */
export function parseModelId(text: string): ModelId | undefined {
  const [, name, revision] = /^([^@]*)(?:@(.+))?$/s.exec(text) ?? [];
  if (name === undefined || (revision !== undefined && !isRevision(revision))) return undefined;
  const [owner, model, ...rest] = name.split('/');
  if (!owner || !model || !partPattern.test(owner) || !partPattern.test(model)) return undefined;
  if (model.endsWith('.git') || (rest.length === 0 && isWeightName(model))) return undefined;
  const file = rest.length === 0 ? undefined : rest.join('/');
  if (file !== undefined && !(isWeightName(file) && isInside(file))) return undefined;
  return { id: `${owner}/${model}`, revision, file };
}

function isWeightName(name: string): boolean {
  return /\.safetensors$/i.test(name) || isPickleName(name);
}

/** True for names under which pickles are kept. */
export function isPickleName(name: string): boolean {
  return /\.(?:bin|ckpt|pth?|pkl|pickle)$/i.test(name);
}

/** A name git takes for a branch or tag: it is used as a path below `refs`. */
export function isRevision(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (text.length > 255 || /[\u0000-\u0020\u007f~^:?*[\\]|@\{|\.lock$/.test(text)) return false;
  return text.split('/').every((part) => part !== '' && !part.includes('..') && part !== '.');
}

/** True for a file name with `/` between folders that cannot leave the folder it is put in, on any system. */
export function isInside(path: string): boolean {
  if (path.length > 1024 || /^[A-Za-z]:/.test(path)) return false;
  return path.split('/').every((part) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    const isPlain = !/[\u0000-\u001f\u007f\\]/.test(part);
    return isPlain && part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) < 256;
  });
}

/** True for an existing `.safetensors` file: a model in one file. */
export function isSingleFile(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return /\.safetensors$/i.test(path) && found?.isFile() === true;
}

/** The error for a file that is a pickle by its name. */
export function pickleByName(where: string): Error {
  return complain('SAFETENSORS', {
    where,
    expected: 'a safetensors file',
    got: 'the name of a pickle, which can run code when it is read',
    next: 'Use the safetensors version of the model, or convert it with a tool you trust.',
  });
}
