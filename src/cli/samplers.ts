/** @file `maliang samplers`: every sampler with its schedules and names. */
import { listSamplers, type SamplerListing } from '../pipelines/samplers.js';
import type { Command } from './main.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

export const samplers: Command = async ({ words, values }, terminal) => {
  const { say } = terminal;
  if (words.length > 0) {
    const where = `${say('program')} samplers`;
    throw usageError(say, { where, expected: say('usage.noWords'), got: words[0]! });
  }
  const listed = listSamplers();
  if (values.json) terminal.print(JSON.stringify(listed.map(recordOf)));
  else for (const sampler of listed) terminal.print(linesOf(sampler, terminal).join('\n'));
  return 0;
};

/** One entry of `--json`; fields may be added, never renamed. */
function recordOf({
  label,
  className,
  schedules,
  aliases,
  automatic,
  isStochastic,
}: SamplerListing) {
  return { name: label, className, schedules, automatic, aliases, isStochastic };
}

function linesOf(sampler: SamplerListing, terminal: Terminal): string[] {
  const { say } = terminal;
  const { label, className, schedules, aliases, isStochastic } = sampler;
  const names = [...aliases, className].join(', ');
  return [
    terminal.style('stdout', 'bold', label),
    `  ${say('samplers.schedules', { names: schedules.join(', ') })}`,
    `  ${say('samplers.also', { names })}`,
    ...(isStochastic ? [`  ${say('samplers.noise')}`] : []),
  ];
}
