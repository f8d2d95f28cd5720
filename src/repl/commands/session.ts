import type { HexzError } from '../../engine/errors.js';
import { Listing } from '../listing.js';
import { patternHelp } from '../patterns.js';
import { facts, type Rendering, rows } from '../rendering/rendering.js';
import { formatOffset } from '../rendering/values.js';
import { indented } from '../rendering/wrapping.js';
import {
  changeSetting,
  isSettingName,
  type SettingName,
  settingNames,
  settingTable,
} from '../settings.js';
import {
  type CommandDefinition,
  commandGroups,
  defineCommand,
  flag,
  type Kind,
  optional,
  optionFlag,
  rest,
} from './definition.js';
import { bookmarkKind, offsetKind, textKind } from './kinds.js';
import { usageOf } from './parseArguments.js';

const commandKind: Kind<string> = { ...textKind('NAME'), completes: 'command' };

interface CommandHelp {
  readonly usage: string;
  readonly aliases: readonly string[];
  readonly group: string;
  readonly summary: string;
  readonly details: readonly string[];
  readonly arguments: readonly { readonly name: string; readonly about: string }[];
  readonly examples: readonly string[];
}

const helpOf = (definition: CommandDefinition): CommandHelp => ({
  usage: usageOf(definition),
  aliases: definition.aliases,
  group: definition.group,
  summary: definition.summary,
  details: definition.details,
  arguments: [
    ...Object.values(definition.arguments).map(({ kind, about }) => ({ name: kind.label, about })),
    ...Object.entries(definition.options).map(([name, { about }]) => ({
      name: optionFlag(name),
      about,
    })),
  ],
  examples: definition.examples,
});

const helpText = (
  { usage, aliases, summary, details, arguments: all, examples }: CommandHelp,
  columns: number | undefined,
): string => {
  const width = all.reduce((longest, { name }) => Math.max(longest, name.length), 0);
  return [
    ...indented(usage, '', '    ', columns),
    ...[`${summary}.`, ...details].flatMap((text) => indented(text, '  ', '  ', columns)),
    ...(aliases.length === 0 ? [] : [`  also: ${aliases.join(', ')}`]),
    ...all.flatMap(({ name, about }) =>
      indented(about, `    ${name.padEnd(width)}  `, ' '.repeat(width + 6), columns),
    ),
    ...examples.map((example) => `  e.g. ${example}`),
    '',
  ].join('\n');
};

/** What can be explained that is no command. */
const helpTopics: Readonly<Record<string, readonly string[]>> = { search: patternHelp };

interface Help {
  readonly commands: readonly CommandHelp[];
  /** Lines on something that is no command. */
  readonly topic?: readonly string[];
}

const helpRendering: Rendering<Help> = {
  *text({ commands, topic = [] }, { columns }) {
    if (topic.length > 0) {
      yield `${topic.join('\n')}\n`;
      return;
    }
    const [first] = commands;
    if (commands.length === 1 && first !== undefined) {
      yield helpText(first, columns);
      return;
    }
    for (const group of commandGroups) {
      const members = commands.filter((command) => command.group === group);
      if (members.length === 0) continue;
      yield `${group}\n`;
      for (const { usage, summary } of members) {
        const lines = [
          ...indented(usage, '  ', '      ', columns),
          ...indented(summary, '      ', '      ', columns),
        ];
        yield `${lines.join('\n')}\n`;
      }
    }
    const more =
      'help NAME says more, help search how patterns are written; docs/repl.md explains words, expressions, pipes and scripts';
    yield `\n${indented(more, '', '', columns).join('\n')}\n`;
  },
  *table({ commands }) {
    yield 'usage\tsummary\n';
    for (const { usage, summary } of commands) yield `${usage}\t${summary}\n`;
  },
};

export const helpCommand = defineCommand({
  name: 'help',
  aliases: ['?'],
  group: 'The session',
  summary: 'Lists the commands, or explains one, or how patterns are written (`help search`)',
  examples: ['help', 'help find', 'help search'],
  arguments: { names: rest(commandKind, 'a command') },
  options: {},
  async run({ session, usageError }, { names }): Promise<Help> {
    const name = names.join(' ');
    const topic = Object.hasOwn(helpTopics, name) ? helpTopics[name] : undefined;
    if (topic !== undefined) return { commands: [], topic };
    const isMeant = (command: CommandDefinition): boolean =>
      command.name === name ||
      command.aliases.includes(name) ||
      command.name.startsWith(`${name} `);
    const commands = name === '' ? session.commands : session.commands.filter(isMeant);
    if (commands.length === 0) {
      throw usageError(`there is no command ${name}`, 'help lists the commands');
    }
    return { commands: commands.map(helpOf) };
  },
}).shownAs(helpRendering);

const settingKind: Kind<SettingName> = {
  label: 'NAME',
  completes: 'setting',
  parse({ text, start }, { source }) {
    if (isSettingName(text)) return text;
    throw source.errorAt(start, `there is no setting ${text}: ${settingNames.join(', ')}`);
  },
};

interface SettingValue {
  readonly text: string;
  refuse(message: string): HexzError;
}

const settingValueKind: Kind<SettingValue> = {
  label: 'VALUE',
  completes: 'settingValue',
  parse: ({ text, start }, { source }) => ({
    text,
    refuse: (message) => source.errorAt(start, message),
  }),
};

export const setCommand = defineCommand({
  name: 'set',
  group: 'The session',
  summary: 'Shows settings, or changes one',
  details: settingNames.map((name) => {
    const { values, about } = settingTable[name];
    return `\`${name}\` (${values.join(', ')}): ${about}.`;
  }),
  examples: ['set', 'set write on', 'set format table'],
  arguments: {
    name: optional(settingKind, 'a setting'),
    value: optional(settingValueKind, 'what it is from now on'),
  },
  options: {},
  async run({ session }, { name, value }) {
    const { settings } = session;
    if (name === undefined) return { ...settings };
    if (value !== undefined && !changeSetting(settings, name, value.text)) {
      const { values } = settingTable[name];
      throw value.refuse(`${value.text} is none of ${values.join(', ')}`);
    }
    return { [name]: settings[name] };
  },
}).shownAs(
  facts((settings) => Object.entries(settings).map(([name, value]) => [name, `${value}`])),
);

export const bookmarkCommand = defineCommand({
  name: 'bookmark',
  group: 'The session',
  summary: 'Gives an offset a name, which `$NAME` then stands for; without NAME, lists them',
  examples: ['bookmark super 0x438', 'read disk $super 2', 'bookmark', 'bookmark super --delete'],
  arguments: {
    name: optional(bookmarkKind, 'letters, digits and _'),
    offset: optional(
      offsetKind,
      'what it stands for; without, where the last command of the disk ended',
    ),
  },
  options: { delete: flag('forget it') },
  async run({ session, usageError }, { name, offset, delete: deletes }) {
    const { bookmarks, cursors } = session;
    if (name !== undefined && deletes) {
      if (!bookmarks.delete(name)) throw usageError(`there is no bookmark ${name}`);
    } else if (name !== undefined) {
      bookmarks.set(name, offset ?? cursors.get('disk') ?? 0);
    }
    const items = [...bookmarks].map(([one, at]) => ({ name: one, offset: at }));
    return new Listing({}, 'bookmarks', async function* () {
      yield items;
      return {};
    });
  },
}).shownAs(
  rows({
    columns: [
      { title: 'name', width: 16, text: ({ name }) => name },
      {
        title: 'offset',
        width: 11,
        text: ({ offset }) => formatOffset(offset),
        value: ({ offset }) => offset,
      },
    ],
    empty: () => 'there are no bookmarks',
  }),
);

export const quitCommand = defineCommand({
  name: 'quit',
  aliases: ['exit'],
  group: 'The session',
  summary: 'Ends the session, and a script',
  details: [
    'An engine that is there for this session ends with it, and its mount. One that others have started goes on: `unmount --force`, or `hexz unmount` outside, ends it.',
  ],
  arguments: {},
  options: {},
  async run({ session }) {
    session.quit();
    return {};
  },
}).shownAs({ text: () => [], table: () => [] });
