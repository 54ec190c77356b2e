/** @file Every judge of pictures: the model it asks, what its value is, and whether it reads the prompt. */

/** Models that judge. */
export type JudgeModelKind = 'clip' | 'siglip' | 'blip' | 'aesthetic';

export interface JudgeRow {
  readonly model: JudgeModelKind;
  /** Cosine from -1 to 1, probability from 0 to 1, or a mark of about 1 to 10. More is better. */
  readonly unit: 'cosine' | 'probability' | 'mark';
  readonly readsPrompt: boolean;
}

/** BLIP's two values may disagree: ITC compares embeddings, ITM looks at the pair. */
export const judgeTable = {
  clip: { model: 'clip', unit: 'cosine', readsPrompt: true },
  siglip: { model: 'siglip', unit: 'cosine', readsPrompt: true },
  'blip-itc': { model: 'blip', unit: 'cosine', readsPrompt: true },
  'blip-itm': { model: 'blip', unit: 'probability', readsPrompt: true },
  aesthetic: { model: 'aesthetic', unit: 'mark', readsPrompt: false },
} as const satisfies Record<string, JudgeRow>;

export type JudgeName = keyof typeof judgeTable;

export const judgeNames = Object.keys(judgeTable) as readonly JudgeName[];
