/** @file Words for who cannot see a picture: from its prompt, said to be that, or from a caption (IPTC 2021.1, accessibility). */
import type { PromptSyntax } from '../prompt-chunks.js';
import { readClauses, readWeights } from '../prompt-weights.js';
import { program } from './program.js';

export interface AltText {
  /** At most 250 characters. */
  readonly alt: string;
  /** Everything that is known, at any length. */
  readonly description: string;
  /** Where `alt` is from: the words asked for, a captioning model, or a person. */
  readonly source: 'prompt' | 'caption' | 'given';
  /** BCP 47 tag of the words around prompt and caption. */
  readonly language: 'en' | 'zh';
}

/** What is known beside the prompt, or said in place of it. */
export interface AltTextOptions {
  /** Taken as it is. */
  readonly alt?: string | undefined;
  /** Taken as it is. */
  readonly description?: string | undefined;
  /** What a captioning model says of the picture. */
  readonly caption?: string | undefined;
  /** How sure an image-text matching model is of the caption, 0 to 1. */
  readonly captionConfidence?: number | undefined;
}

export interface DescribedPicture {
  readonly prompt: string;
  readonly promptSyntax: PromptSyntax;
  readonly model: string;
  readonly width: number;
  readonly height: number;
}

const longestAlt = 250;

/** Alt text and description of a picture. */
export function describePicture(picture: DescribedPicture, options: AltTextOptions = {}): AltText {
  const { caption, captionConfidence } = options;
  const prompt = wordsOf(picture);
  const language = /\p{Script=Han}/u.test(caption ?? prompt) ? 'zh' : 'en';
  const say = phrases[language];
  const source = options.alt !== undefined ? 'given' : caption === undefined ? 'prompt' : 'caption';
  const made = caption === undefined ? say.alt(prompt) : caption;
  const seen = caption === undefined ? [say.unchecked] : [say.seen(caption, captionConfidence)];
  const asked = say.asked(prompt, picture);
  return {
    alt: cut(oneLine(options.alt ?? made)),
    description: options.description ?? [asked, ...seen].join(language === 'zh' ? '' : ' '),
    source,
    language,
  };
}

const phrases = {
  en: {
    alt: (prompt: string) =>
      prompt === ''
        ? 'Machine-made picture without a prompt'
        : `Machine-made picture, prompt: ${prompt}`,
    asked: (prompt: string, { model, width, height }: DescribedPicture) =>
      `Drawn by ${program.name} with the model ${model}, ${width} by ${height} pixels, from the prompt: ${prompt}.`,
    unchecked: 'The prompt is what was asked for; nobody has looked whether the picture shows it.',
    seen: (caption: string, confidence: number | undefined) =>
      `A captioning model sees: ${caption}${confidence === undefined ? '' : ` (match ${percent(confidence)})`}.`,
  },
  zh: {
    alt: (prompt: string) => `机器生成的图片，提示词：${prompt}`,
    asked: (prompt: string, { model, width, height }: DescribedPicture) =>
      `由 ${program.name} 用模型 ${model} 绘制，${width}×${height} 像素，提示词：${prompt}。`,
    unchecked: '提示词是所求的内容；没有人核对过图片是否画出了它。',
    seen: (caption: string, confidence: number | undefined) =>
      `看图模型的描述：${caption}${confidence === undefined ? '' : `（匹配度 ${percent(confidence)}）`}。`,
  },
} as const;

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** The prompt as a person would read it: without weights and markers. */
function wordsOf({ prompt, promptSyntax }: DescribedPicture): string {
  if (promptSyntax === 'plain') return oneLine(prompt);
  const clauses = readClauses(prompt).map(({ text }) =>
    readWeights(text)
      .map((piece) => (piece.isBreak ? ', ' : piece.text))
      .join(''),
  );
  return oneLine(clauses.join(', ').replace(/<[^<>]{1,100}>/g, ' ')).replaceAll(' ,', ',');
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
}

/** Whole words where there are any, and an ellipsis. */
function cut(text: string): string {
  if (text.length <= longestAlt) return text;
  const start = text.slice(0, longestAlt - 1).replace(/[\ud800-\udbff]$/, '');
  const space = start.lastIndexOf(' ');
  return `${space > longestAlt / 2 ? start.slice(0, space) : start}…`;
}
