/** @file English names of concepts: labels made sayable, with articles, plurals, aliases and tags. */
import { articleFor, isPlural, pluralOf } from './english-grammar.js';
import { englishLabels } from './english-labels.js';
import type { EnglishNames, EnglishNoun } from './pictogram-index.js';
import type { SourceConcept } from './pictogram-sources.js';

/** Names of a concept; the first is the one evaluation prompts use. */
export function englishNames(source: SourceConcept): EnglishNames {
  const label = source.en.label.replaceAll('’', "'");
  const listed = englishLabels[label]?.split(', ') ?? rewrite(label, source.subgroup);
  const [name = label, ...aliases] = listed;
  const isName = source.subgroup === 'zodiac' || source.subgroup === 'keycap';
  return {
    ...noun(name, isName),
    aliases: aliases.map((alias) => noun(alias, isName)),
    tags: cleanTags(source, listed),
    plural: isName || hasNoPlural(source) ? null : pluralOf(name),
  };
}

function noun(name: string, isName: boolean): EnglishNoun {
  return { name, article: isName ? '' : articleFor(name) };
}

/** People in the middle of something, and whole crowds, read badly as `three ...`. */
function hasNoPlural({ group, en }: SourceConcept): boolean {
  return group === 'people-body' || isPlural(en.label);
}

const hours =
  /^(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?:-(thirty)| o'clock)$/;
const signSubgroups = new Set(['transport-sign', 'warning']);
const signLabels =
  /^(place of worship|cinema|information|vibration mode|mobile phone off|currency exchange)$/;

/** The label as names, by pattern. */
function rewrite(label: string, subgroup: string): string[] {
  const person = /^(person|man|woman): (?:(bald)|(beard)|(.+ hair))$/.exec(label);
  if (person) {
    const [, who, bald, beard, hair] = person;
    if (bald) return [`bald ${who}`];
    return [`${who} with ${beard ? 'a beard' : hair}`];
  }
  const digit = /^keycap: (\d+)$/.exec(label);
  if (digit) return [`number ${digit[1]}`, `digit ${digit[1]}`].slice(0, digit[1] === '10' ? 1 : 2);
  const hour = hours.exec(label);
  if (hour) {
    const [, number, half] = hour;
    return [`clock showing ${half ? `half past ${number}` : label}`, `clock at ${label}`];
  }
  const isSign = signSubgroups.has(subgroup) || signLabels.test(label);
  if (isSign && !/(sign|symbol)$/.test(label)) return [`${label} sign`];
  return [label.replace(' (blood type)', '')];
}

/** What kind of thing a subgroup holds, added to the tags. */
const categories: Readonly<Record<string, readonly string[]>> = {
  'animal-mammal': ['animal'],
  'animal-bird': ['bird', 'animal'],
  'animal-amphibian': ['animal'],
  'animal-reptile': ['animal', 'reptile'],
  'animal-marine': ['sea animal', 'animal'],
  'animal-bug': ['insect', 'animal'],
  'plant-flower': ['flower', 'plant'],
  'plant-other': ['plant'],
  'food-fruit': ['fruit', 'food'],
  'food-vegetable': ['vegetable', 'food'],
  'food-prepared': ['food'],
  'food-asian': ['food', 'asian food'],
  'food-sweet': ['sweet', 'dessert', 'food'],
  'food-marine': ['seafood', 'food'],
  drink: ['drink'],
  'place-building': ['building'],
  'place-religious': ['building'],
  'transport-ground': ['vehicle'],
  'transport-water': ['ship'],
  'transport-air': ['aircraft'],
  time: ['clock'],
  'sky-weather': ['weather', 'sky'],
  sport: ['sport'],
  game: ['game'],
  'musical-instrument': ['musical instrument'],
  clothing: ['clothing'],
  tool: ['tool'],
  household: ['household'],
  computer: ['computer'],
  office: ['office'],
  writing: ['writing'],
  science: ['science'],
  medical: ['medicine'],
  'person-role': ['job'],
  'person-sport': ['sport'],
  'face-smiling': ['smiley'],
};
const notInCategory = new Set(
  (
    'feather,wing,paw prints,pig nose,spiral shell,spider web,spider,scorpion,snail,worm,microbe,' +
    'nest with eggs,empty nest,seat,satellite,parachute,motorway,railway track,oil drum,fuel pump,' +
    'wheel,bus stop,stop sign,construction,anchor,ring buoy,police car light,hourglass done,' +
    'hourglass not done,horizontal traffic light,vertical traffic light,rosette,white flower,' +
    'potted plant,kitchen knife,flying saucer,rocket,parachute,brick,rock,wood,thermometer,' +
    'closed umbrella,umbrella,umbrella on ground,fire,coral,ice,cherry blossom'
  ).split(','),
);

const droppedTags = new Set(
  (
    'lol,lmao,rofl,roflmao,haha,hahaha,hehe,omg,bae,ily,xoxo,yolo,adorbs,smh,fml,wtf,nsfw,smooches,' +
    'smooch,muah,idk,meh,eek,ugh,uh,um,huh,hmm,aw,aww,yum,yay,emoji,sexy,hot,sex,boobs,butt,whatever,' +
    'totally,obvi,deal,ngl,thicc,slay,lit,dope,fam,yas,bestie,bruh,duh,eww,nah,nope,yep,yup,not,you,' +
    'what,feels,bff,bro,babe,shade,probing,ideograph,right,left,whoops,oops,over,facing,together'
  ).split(','),
);

function cleanTags(source: SourceConcept, names: readonly string[]): string[] {
  const { label, tags } = source.en;
  const categoryTags = notInCategory.has(label) ? [] : (categories[source.subgroup] ?? []);
  const used = new Set(names.map((name) => name.toLowerCase()));
  return [...new Set([...tags, ...categoryTags].map((tag) => tag.toLowerCase()))].filter((tag) => {
    const isPlain = /^[a-z][a-z -]{2,15}$/.test(tag) && tag.split(' ').length <= 2;
    return isPlain && !used.has(tag) && !droppedTags.has(tag);
  });
}
