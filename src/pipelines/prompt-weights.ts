/** @file Weights inside prompts by the rule of stable-diffusion-webui (AUTOMATIC1111): (word:1.3), (word), [word], BREAK, AND. */
import { complain } from '../core/errors.js';

/** A stretch of text with one weight. */
export interface WeightedText {
  readonly text: string;
  readonly weight: number;
  /** The word BREAK: the next chunk begins here. */
  readonly isBreak: boolean;
}

/** One side of an AND. */
export interface PromptClause {
  readonly text: string;
  readonly weight: number;
}

interface Piece {
  text: string;
  weight: number;
}

const roundFactor = 1.1;
const squareFactor = 1 / 1.1;
/** BREAK carries this weight until brackets around it change it; then it is a word like any other. */
const breakWeight = -1;

/** Escapes, brackets, `:1.3)` with its number, other text, a lone colon. */
const token = /\\[()[\]\\]|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()[\]:]+|:/g;
const breaks = /\s*(?<![\p{L}\p{N}_])BREAK(?![\p{L}\p{N}_])\s*/u;
const and = /(?<![\p{L}\p{N}_])AND(?![\p{L}\p{N}_])/u;

/** The stretches of a prompt in order; neighbours of equal weight are one. Never empty. */
export function readWeights(prompt: string): WeightedText[] {
  const pieces: Piece[] = [];
  const round: number[] = [];
  const square: number[] = [];
  const multiply = (from: number, factor: number): void => {
    for (const piece of pieces.slice(from)) piece.weight *= factor;
  };
  for (const [text, number] of prompt.matchAll(token)) {
    const isClosing = number !== undefined || text === ')';
    if (text.startsWith('\\')) pieces.push({ text: text.slice(1), weight: 1 });
    else if (text === '(') round.push(pieces.length);
    else if (text === '[') square.push(pieces.length);
    else if (isClosing && round.length > 0) multiply(round.pop()!, factorOf(number));
    else if (text === ']' && square.length > 0) multiply(square.pop()!, squareFactor);
    else pieces.push(...splitAtBreaks(text));
  }
  for (const from of round) multiply(from, roundFactor);
  for (const from of square) multiply(from, squareFactor);
  return joinedEquals(pieces.length === 0 ? [{ text: '', weight: 1 }] : pieces);
}

function factorOf(number: string | undefined): number {
  if (number === undefined) return roundFactor;
  const factor = Number(number);
  if (Number.isFinite(factor)) return factor;
  throw complain('USAGE', {
    where: 'prompt',
    expected: 'a number after the colon in brackets',
    got: number,
    next: 'Write \\( and \\) for brackets that are meant literally.',
  });
}

function splitAtBreaks(text: string): Piece[] {
  return text.split(breaks).flatMap((part, i) => {
    const piece = { text: part, weight: 1 };
    return i === 0 ? [piece] : [{ text: 'BREAK', weight: breakWeight }, piece];
  });
}

function joinedEquals(pieces: readonly Piece[]): WeightedText[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last?.weight === piece.weight) last.text += piece.text;
    else joined.push({ ...piece });
  }
  return joined.map(({ text, weight }) => ({
    text,
    weight,
    isBreak: text === 'BREAK' && weight === breakWeight,
  }));
}

/**
 * The clauses around the word AND, each with the weight after its last colon, 1 where there is none.
 * A prompt without AND is one clause as it stands; the webui would read `at 10:30` as a weight of 30.
 */
export function readClauses(prompt: string): PromptClause[] {
  const clauses = prompt.split(and);
  if (clauses.length === 1) return [{ text: prompt, weight: 1 }];
  return clauses.map((clause) => {
    const found = /^([\s\S]*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*$/.exec(clause);
    const [, text = clause, weight] = found ?? [];
    return { text, weight: weight === undefined ? 1 : Number(weight) };
  });
}
