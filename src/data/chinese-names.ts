/** @file Chinese names of concepts: labels made sayable, with measure words, aliases and tags. */
import { chineseLabels } from './chinese-labels.js';
import type { ChineseNames, ChineseNoun } from './pictogram-index.js';
import type { SourceConcept } from './pictogram-sources.js';

/** Names of a concept; the first is the one evaluation prompts use. */
export function chineseNames(source: SourceConcept): ChineseNames {
  const label = source.en.label.replaceAll('’', "'");
  const entries = chineseLabels[label]?.split(',') ?? [rewrite(source)];
  const nouns = entries.map((entry) => noun(entry, source));
  const [first = { name: source.zh.label, measure: null }, ...aliases] = nouns;
  return { ...first, aliases, tags: cleanTags(source, nouns) };
}

/** `苹果/个` with `-` for no measure word; without a slash the kind of thing decides. */
function noun(entry: string, source: SourceConcept): ChineseNoun {
  const [name = '', measure] = entry.split('/');
  if (measure === undefined) return { name, measure: measureOf(source) };
  return { name, measure: measure === '-' ? null : measure };
}

/** The usual measure word of each subgroup; 个 elsewhere. */
const measures: Readonly<Record<string, string>> = {
  heart: '颗',
  'animal-mammal': '只',
  'animal-bird': '只',
  'animal-amphibian': '只',
  'animal-reptile': '只',
  'animal-marine': '只',
  'animal-bug': '只',
  'plant-flower': '朵',
  'plant-other': '棵',
  drink: '杯',
  'place-building': '座',
  'place-religious': '座',
  'transport-ground': '辆',
  'transport-water': '艘',
  'transport-air': '架',
  'musical-instrument': '把',
  clothing: '件',
  phone: '部',
  computer: '台',
  'book-paper': '本',
  money: '张',
  writing: '支',
  tool: '把',
  lock: '把',
};
const uncounted = new Set(['zodiac', 'keycap']);

function measureOf({ subgroup }: SourceConcept): string | null {
  return uncounted.has(subgroup) ? null : (measures[subgroup] ?? '个');
}

const gendered = /^(男生|女生)(.+)$/;
const genderAfter = /^(.+[^人])(男|女)$/;
const described = /^(成人|男人|女人): (.+)$/;
const clock = /点半?$/;
const signSubgroups = new Set(['transport-sign', 'warning']);

/** The label as a noun, by pattern. */
function rewrite({ subgroup, zh }: SourceConcept): string {
  const { label } = zh;
  if (subgroup === 'keycap') return label.replace('按键: ', '数字');
  if (subgroup === 'time' && clock.test(label)) return `指向${label}的时钟`;
  const [, who, how] = described.exec(label) ?? [];
  if (who && how) return `${how}的${who.replace('成人', '人')}`;
  const [, gender, action] = gendered.exec(label) ?? [];
  if (gender && action && subgroup !== 'person-role') {
    return `${action}的${gender.replace('生', '人')}`;
  }
  const [, gesture, side] = genderAfter.exec(label) ?? [];
  if (gesture && side && subgroup === 'person-gesture') return `${gesture}的${side}人`;
  const isFace = /^face-(?!costume)/.test(subgroup) && !/(脸|表情)$/.test(label);
  if (isFace) return `${label}的表情`;
  const isSign = signSubgroups.has(subgroup) && !/(标志|标识)$/.test(label);
  if (isSign) return `${label}标志`;
  return label.replace(/[“”]/g, '');
}

/** What kind of thing a subgroup holds, added to the tags. */
const categories: Readonly<Record<string, readonly string[]>> = {
  'animal-mammal': ['动物'],
  'animal-bird': ['鸟类', '动物'],
  'animal-amphibian': ['动物'],
  'animal-reptile': ['动物'],
  'animal-marine': ['海洋动物', '动物'],
  'animal-bug': ['昆虫', '虫子'],
  'plant-flower': ['花', '植物'],
  'plant-other': ['植物'],
  'food-fruit': ['水果', '食物'],
  'food-vegetable': ['蔬菜', '食物'],
  'food-prepared': ['食物'],
  'food-asian': ['食物', '亚洲美食'],
  'food-sweet': ['甜点', '食物'],
  drink: ['饮料'],
  'place-building': ['建筑'],
  'place-religious': ['建筑'],
  'transport-ground': ['交通'],
  'transport-water': ['船', '交通'],
  'transport-air': ['飞行', '交通'],
  'sky-weather': ['天空', '天气'],
  sport: ['运动'],
  game: ['游戏'],
  'musical-instrument': ['乐器'],
  clothing: ['服装'],
  tool: ['工具'],
  household: ['家居'],
  office: ['办公'],
  science: ['科学'],
  medical: ['医疗'],
  'person-role': ['职业'],
  'person-sport': ['运动'],
};
/** Members of a subgroup its category does not fit; they go without. */
const notInCategory = new Set(
  'feather,wing,paw prints,pig nose,spiral shell,spider web,microbe,kitchen knife,coral'.split(','),
);

function cleanTags(source: SourceConcept, nouns: readonly ChineseNoun[]): string[] {
  const own = notInCategory.has(source.en.label) ? [] : (categories[source.subgroup] ?? []);
  const used = new Set(nouns.map(({ name }) => name));
  const tags = [...new Set([...source.zh.tags, ...own])];
  return tags.filter(
    (tag) => /^\p{Script=Han}{1,6}$/u.test(tag) && !used.has(tag) && !/[左右]/.test(tag),
  );
}
