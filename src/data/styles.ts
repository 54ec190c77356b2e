/** @file The four picture styles of the pictogram set, one per icon package, with their licences. */

export const pictogramStyles = ['glossy 3D', 'flat', 'cartoon', 'simple'] as const;

/** A style is named by the words captions use for it. */
export type PictogramStyle = (typeof pictogramStyles)[number];

export const captionLanguages = ['en', 'zh'] as const;
export type CaptionLanguage = (typeof captionLanguages)[number];

/** The style words of each language. */
export const styleWords: Readonly<
  Record<CaptionLanguage, Readonly<Record<PictogramStyle, string>>>
> = {
  en: { 'glossy 3D': 'glossy 3D', flat: 'flat', cartoon: 'cartoon', simple: 'simple' },
  zh: { 'glossy 3D': '光泽立体', flat: '扁平', cartoon: '卡通', simple: '简约' },
};

interface StyleSource {
  readonly packageName: string;
  /** Package whose chars.json maps code points to this set's icon names. */
  readonly charsPackage: string;
  /** SPDX identifier. */
  readonly licence: string;
  readonly credit: string;
}

/** Where each style comes from. Nothing share-alike may be added here. */
export const styleSources: Readonly<Record<PictogramStyle, StyleSource>> = {
  'glossy 3D': {
    packageName: '@iconify-json/fluent-emoji',
    charsPackage: '@iconify-json/fluent-emoji-flat', // its own file is empty; the names agree
    licence: 'MIT',
    credit: 'Fluent Emoji, Microsoft Corporation',
  },
  flat: {
    packageName: '@iconify-json/fluent-emoji-flat',
    charsPackage: '@iconify-json/fluent-emoji-flat',
    licence: 'MIT',
    credit: 'Fluent Emoji Flat, Microsoft Corporation',
  },
  cartoon: {
    packageName: '@iconify-json/noto',
    charsPackage: '@iconify-json/noto',
    licence: 'Apache-2.0',
    credit: 'Noto Emoji, Google Inc.',
  },
  simple: {
    packageName: '@iconify-json/twemoji',
    charsPackage: '@iconify-json/twemoji',
    licence: 'CC-BY-4.0',
    credit: 'Twemoji, Twitter, Inc. and other contributors',
  },
};

/** Names and tags of the concepts. */
export const labelSource = {
  packageName: 'emojibase-data',
  licence: 'MIT',
  credit: 'emojibase, Miles Johnson',
} as const;
