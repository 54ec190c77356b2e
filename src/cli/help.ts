/** @file Help texts, made from the option table and the catalogue. */
import type { MessageKey } from './messages.js';
import {
  type CommandName,
  commandNames,
  type OptionName,
  optionNames,
  optionRow,
  optionUsage,
} from './option-table.js';
import type { Terminal } from './terminal.js';

const synopses: Readonly<Record<CommandName, string>> = {
  generate: '<prompt> [options]',
  again: 'again FILE [options]',
  info: 'info FILE [--json]',
  rank: 'rank <prompt> FILES [options]',
  caption: 'caption FILES --captioner MODEL [options]',
  evaluate: 'evaluate --real FOLDER --fake FOLDER [options]',
  models: 'models list|show|pull|remove [ID] [options]',
  train: 'train autoencoder|clip|draft|diffusion --config FILE [options]',
  doctor: 'doctor [options]',
  samplers: 'samplers [--json]',
};

const examples: Readonly<Record<CommandName, readonly string[]>> = {
  generate: [
    '"a red apple, flat"',
    '"两只猫在蓝色背景上，卡通" --num 4 --seed 7',
    '"a glossy 3D fish" --out pictures/ --json',
  ],
  again: ['again apple.png', 'again apple.png --seed +1 --num 4', 'again apple.png --steps 40'],
  info: ['info apple.png', 'info apple.jpg --json'],
  rank: [
    'rank "a red apple" a.png b.jpg',
    'rank "a red apple" pictures/ --judge clip,blip=Salesforce/blip-itm-base-coco --json',
  ],
  caption: ['caption photo.jpg --captioner Salesforce/blip-image-captioning-base'],
  evaluate: [
    'evaluate --real photos/ --fake pictures/',
    'evaluate --real photos/ --fake pictures/ --features inception.safetensors --metrics fid,kid --json',
  ],
  models: ['models pull stable-diffusion-v1-5/stable-diffusion-v1-5 --variant fp16', 'models list'],
  train: [
    'train autoencoder --config assets/recipe/autoencoder.json --out runs/autoencoder',
    'train autoencoder --config assets/recipe/autoencoder.json --out runs/autoencoder --resume',
  ],
  doctor: ['doctor', 'doctor --model my-model'],
  samplers: ['samplers'],
};

/** Help of everything, or of one command. */
export function helpText(terminal: Terminal, command?: CommandName): string {
  const { say } = terminal;
  const program = say('program');
  const bold = (key: MessageKey): string => terminal.style('stdout', 'bold', say(key));
  const shown = command ? [command] : commandNames;
  const heading = command ? say(`about.${command}`) : `maliang: ${say('help.tagline')}`;
  const sections = [
    [heading],
    [bold('help.usage'), ...shown.map((name) => `  ${program} ${synopses[name]}`)],
    command
      ? []
      : [bold('help.commands'), ...table(commandNames, (name) => [name, say(`command.${name}`)])],
    [bold('help.options'), ...optionLines(command ?? 'generate', terminal)],
    [
      bold('help.examples'),
      ...shown.flatMap((name) => examples[name]).map((line) => `  ${program} ${line}`),
    ],
    command ? [] : [say('help.exit'), say('help.environment'), say('help.more')],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function optionLines(command: CommandName, { say }: Terminal): string[] {
  const names = optionNames.filter((name) => optionRow(name).commands.includes(command));
  return table(names, (name: OptionName) => {
    const { short } = optionRow(name);
    const usage = short ? `${optionUsage(name)}, -${short}` : optionUsage(name);
    return [usage, say(`option.${name}`)];
  });
}

/** Two columns, the first padded. */
function table<T>(items: readonly T[], cells: (item: T) => [string, string]): string[] {
  const rows = items.map(cells);
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
