import { commands } from './commands/all.js';
import { type CommandDefinition, commandGroups, optionFlag } from './commands/definition.js';
import { usageOf } from './commands/parseArguments.js';

/** The part of docs/repl.md that is made from what the commands say of themselves. */
function commandReference(): string {
  const groups = commandGroups.map((group) => {
    const members = commands.filter((command) => command.group === group);
    return [`### ${group}`, ...members.map(sectionOf)].join('\n\n');
  });
  return `${groups.join('\n\n')}\n`;
}

function sectionOf(definition: CommandDefinition): string {
  const { name, aliases, summary, details, examples } = definition;
  const also =
    aliases.length === 0 ? '' : ` Also: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`;
  return [
    `#### ${name}`,
    `\`\`\`\n${usageOf(definition)}\n\`\`\``,
    `${summary}.${also}`,
    ...details,
    ...tableOf(definition),
    ...(examples.length === 0 ? [] : [`\`\`\`\n${examples.join('\n')}\n\`\`\``]),
  ].join('\n\n');
}

function tableOf({ arguments: all, options }: CommandDefinition): string[] {
  const rows = [
    ...Object.values(all).map(({ kind, about }) => row(kind.label, about)),
    ...Object.entries(options).map(([name, { kind, about }]) =>
      row([optionFlag(name), ...(kind === undefined ? [] : [kind.label])].join(' '), about),
    ),
  ];
  return rows.length === 0 ? [] : [['| | |', '| --- | --- |', ...rows].join('\n')];
}

const row = (name: string, about: string): string =>
  `| \`${name.replaceAll('|', '\\|')}\` | ${about} |`;

/** What stands before it, on a line of its own. */
const REFERENCE_MARK = '<!-- What follows is made from the commands themselves: npm run docs -->';

/** A page with the reference as it is now behind the mark. */
export function withReference(page: string): string {
  const at = page.indexOf(REFERENCE_MARK);
  const written = at === -1 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  return `${written}${REFERENCE_MARK}\n\n${commandReference()}`;
}
