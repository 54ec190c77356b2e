/** @file Text a tokenizer can read: Unicode without halves of characters. */
import { complain } from '../core/errors.js';

const loneSurrogate = /\p{Surrogate}/u;

/** Throws TOKENIZER on lone surrogates. */
export function requireWellFormed(text: string): void {
  if (!loneSurrogate.test(text)) return;
  throw complain('TOKENIZER', {
    where: 'encode',
    expected: 'well-formed Unicode text',
    got: 'a lone surrogate',
    next: 'Remove it, for example with `text.toWellFormed()`.',
  });
}
