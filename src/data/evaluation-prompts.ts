/** @file Fixed prompts for evaluation and contact sheets; changing one breaks comparison with earlier runs. */
import {
  type CaptionLanguage,
  type PictogramStyle,
  pictogramStyles,
  styleWords,
} from './styles.js';

/** A prompt for one object, with the picture it should give. */
export interface EvaluationPrompt {
  readonly prompt: string;
  readonly language: CaptionLanguage;
  readonly conceptId: string;
  readonly style: PictogramStyle;
}

export interface ContactPrompt {
  readonly prompt: string;
  readonly language: CaptionLanguage;
}

/** Noun phrase and concept; styles rotate through the list. */
const englishNouns: readonly (readonly [string, string])[] = [
  ['a dog', 'dog-face'],
  ['a cat', 'cat-face'],
  ['a lion', 'lion'],
  ['a tiger', 'tiger-face'],
  ['an elephant', 'elephant'],
  ['a panda', 'panda'],
  ['a koala', 'koala'],
  ['a fox', 'fox'],
  ['a rabbit', 'rabbit-face'],
  ['a frog', 'frog'],
  ['a penguin', 'penguin'],
  ['an owl', 'owl'],
  ['a duck', 'duck'],
  ['a whale', 'spouting-whale'],
  ['an octopus', 'octopus'],
  ['a butterfly', 'butterfly'],
  ['a bee', 'honeybee'],
  ['a turtle', 'turtle'],
  ['a unicorn', 'unicorn'],
  ['a crab', 'crab'],
  ['a snail', 'snail'],
  ['a bear', 'bear'],
  ['a red apple', 'red-apple'],
  ['a banana', 'banana'],
  ['a strawberry', 'strawberry'],
  ['a pineapple', 'pineapple'],
  ['a carrot', 'carrot'],
  ['a tomato', 'tomato'],
  ['a lemon', 'lemon'],
  ['an avocado', 'avocado'],
  ['a hamburger', 'hamburger'],
  ['a pizza', 'pizza'],
  ['a donut', 'doughnut'],
  ['a birthday cake', 'birthday-cake'],
  ['an ice cream cone', 'soft-ice-cream'],
  ['a cup of coffee', 'hot-beverage'],
  ['a cookie', 'cookie'],
  ['a car', 'automobile'],
  ['a bicycle', 'bicycle'],
  ['a rocket', 'rocket'],
  ['an airplane', 'airplane'],
  ['a sailboat', 'sailboat'],
  ['a bus', 'bus'],
  ['a house', 'house'],
  ['a castle', 'castle'],
  ['a tent', 'tent'],
  ['a helicopter', 'helicopter'],
  ['a soccer ball', 'soccer-ball'],
  ['a basketball', 'basketball'],
  ['a trophy', 'trophy'],
  ['a balloon', 'balloon'],
  ['a gift', 'wrapped-gift'],
  ['a Christmas tree', 'christmas-tree'],
  ["a jack-o'-lantern", 'jack-o-lantern'],
  ['dice', 'game-die'],
  ['a key', 'key'],
  ['a hammer', 'hammer'],
  ['an umbrella', 'umbrella'],
  ['a camera', 'camera'],
  ['a laptop', 'laptop'],
  ['a backpack', 'backpack'],
  ['a crown', 'crown'],
  ['scissors', 'scissors'],
  ['an alarm clock', 'alarm-clock'],
  ['a guitar', 'guitar'],
  ['a magnet', 'magnet'],
  ['a pencil', 'pencil'],
  ['the sun', 'sun'],
  ['a cloud', 'cloud'],
  ['a rainbow', 'rainbow'],
  ['a star', 'star'],
  ['a cactus', 'cactus'],
  ['a sunflower', 'sunflower'],
  ['a mushroom', 'mushroom'],
  ['a red heart', 'red-heart'],
];

const chineseNouns: readonly (readonly [string, string])[] = [
  ['一只小狗', 'dog-face'],
  ['熊猫', 'panda'],
  ['一只兔子', 'rabbit-face'],
  ['老虎', 'tiger-face'],
  ['一只企鹅', 'penguin'],
  ['蝴蝶', 'butterfly'],
  ['一只章鱼', 'octopus'],
  ['红苹果', 'red-apple'],
  ['一根香蕉', 'banana'],
  ['草莓', 'strawberry'],
  ['一个汉堡', 'hamburger'],
  ['面条', 'steaming-bowl'],
  ['饺子', 'dumpling'],
  ['一辆汽车', 'automobile'],
  ['自行车', 'bicycle'],
  ['一枚火箭', 'rocket'],
  ['飞机', 'airplane'],
  ['房子', 'house'],
  ['太阳', 'sun'],
  ['彩虹', 'rainbow'],
  ['一朵玫瑰', 'rose'],
  ['红灯笼', 'red-paper-lantern'],
  ['一把钥匙', 'key'],
  ['足球', 'soccer-ball'],
  ['红心', 'red-heart'],
];

/** 75 English and 25 Chinese prompts, 25 of each style; every concept is in the training split. */
export const evaluationPrompts: readonly EvaluationPrompt[] = [
  ...englishNouns.map(([noun, conceptId], at) => prompt('en', noun, conceptId, at)),
  ...chineseNouns.map(([noun, conceptId], at) => prompt('zh', noun, conceptId, at + 75)),
];

function prompt(
  language: CaptionLanguage,
  noun: string,
  conceptId: string,
  at: number,
): EvaluationPrompt {
  const style = pictogramStyles[at % pictogramStyles.length]!;
  const comma = language === 'en' ? ', ' : '，';
  return { prompt: `${noun}${comma}${styleWords[language][style]}`, language, conceptId, style };
}

const englishSheet: readonly string[] = [
  'a red apple, glossy 3D',
  'a red apple, flat',
  'a red apple, cartoon',
  'a red apple, simple',
  'a dog, glossy 3D',
  'a dog, flat',
  'a dog, cartoon',
  'a dog, simple',
  'a cat, glossy 3D',
  'a panda, cartoon',
  'a fox, flat',
  'an owl, simple',
  'a penguin, cartoon',
  'an octopus, glossy 3D',
  'a butterfly, flat',
  'a unicorn, cartoon',
  'a hamburger, glossy 3D',
  'a pizza, cartoon',
  'a strawberry, simple',
  'a birthday cake, flat',
  'a cup of coffee, glossy 3D',
  'a car, cartoon',
  'a rocket, flat',
  'a castle, glossy 3D',
  'a sailboat, simple',
  'a bicycle, flat',
  'a soccer ball, cartoon',
  'a trophy, glossy 3D',
  'a guitar, cartoon',
  'a camera, simple',
  'a key, glossy 3D',
  'a crown, flat',
  'a rainbow, cartoon',
  'a cactus, glossy 3D',
  'a sunflower, simple',
  'a green heart, flat',
  'a star on a blue background, cartoon',
  'a lemon on a pink background, flat',
  'a frog on a yellow background, glossy 3D',
  'a robot on a light blue background, simple',
  'three stars, flat',
  'two cats, cartoon',
  'four strawberries on a light green background, glossy 3D',
  'a dog to the left of a red apple, cartoon',
  'a rocket above a car, flat',
  'a big elephant and a small mouse, simple',
  'a banana, a lemon and a cookie, from left to right, glossy 3D',
  'a small key in the top left corner, flat',
];

const chineseSheet: readonly string[] = [
  '一个红苹果，光泽立体',
  '一只小狗，卡通',
  '猫，扁平',
  '熊猫，简约',
  '一只老虎，光泽立体',
  '蝴蝶，卡通',
  '汉堡，扁平',
  '一碗面条，卡通',
  '汽车，简约',
  '火箭，光泽立体',
  '红灯笼，扁平',
  '一朵玫瑰，粉色背景，卡通',
  '太阳，浅蓝色背景，简约',
  '三颗星星，光泽立体',
  '一只猫在一个红苹果的左边，卡通',
  '一辆汽车上方有一架飞机，扁平',
];

/** 48 English and 16 Chinese prompts for sheets: styles, colours and composed scenes. */
export const contactPrompts: readonly ContactPrompt[] = [
  ...englishSheet.map((text) => ({ prompt: text, language: 'en' as const })),
  ...chineseSheet.map((text) => ({ prompt: text, language: 'zh' as const })),
];
