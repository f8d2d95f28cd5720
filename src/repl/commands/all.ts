import type { LexicalRules, Statement } from '../language/lexer.js';
import type { Source } from '../language/source.js';
import {
  eventsCommand,
  statsCommand,
  waitCommand,
  waitEventsCommand,
  waitIdleCommand,
} from './activity.js';
import {
  assertBytesCommand,
  assertCleanCommand,
  assertDirtyCommand,
  assertFoundCommand,
  assertHashCommand,
  assertLengthCommand,
  assertOpenCommand,
} from './assert.js';
import { blocksCommand } from './blocks.js';
import {
  commitCommand,
  quiesceCommand,
  resumeCommand,
  syncCommand,
  writeCommand,
} from './change.js';
import type { CommandDefinition } from './definition.js';
import { diffCommand } from './diff.js';
import { dirtyCommand } from './dirty.js';
import { exportCommand } from './export.js';
import {
  blockCommand,
  classesCommand,
  hashCommand,
  infoCommand,
  inspectCommand,
  memoryCommand,
  stateCommand,
} from './look.js';
import { mapCommand } from './map.js';
import { mountCommand, shellCommand, unmountCommand } from './programs.js';
import { readCommand } from './read.js';
import {
  clearCommand,
  dropCommand,
  joinCommand,
  keepCommand,
  redoCommand,
  reviewCommand,
  selectCommand,
  selectionCommand,
  splitCommand,
  undoCommand,
  viewedCommand,
} from './review.js';
import { findCommand, stringsCommand } from './search.js';
import { bookmarkCommand, helpCommand, quitCommand, setCommand } from './session.js';

/** Every command, in the order in which people are told of them. A name may have two words. */
export const commands: readonly CommandDefinition[] = [
  readCommand,
  inspectCommand,
  blockCommand,
  blocksCommand,
  mapCommand,
  hashCommand,
  exportCommand,
  classesCommand,
  memoryCommand,
  infoCommand,
  findCommand,
  stringsCommand,
  dirtyCommand,
  diffCommand,
  writeCommand,
  commitCommand,
  syncCommand,
  quiesceCommand,
  resumeCommand,
  reviewCommand,
  keepCommand,
  dropCommand,
  clearCommand,
  viewedCommand,
  splitCommand,
  joinCommand,
  undoCommand,
  redoCommand,
  selectionCommand,
  selectCommand,
  stateCommand,
  statsCommand,
  eventsCommand,
  waitCommand,
  waitIdleCommand,
  waitEventsCommand,
  mountCommand,
  unmountCommand,
  shellCommand,
  assertHashCommand,
  assertBytesCommand,
  assertDirtyCommand,
  assertCleanCommand,
  assertOpenCommand,
  assertLengthCommand,
  assertFoundCommand,
  helpCommand,
  setCommand,
  bookmarkCommand,
  quitCommand,
];

const firstWord = (name: string): string => name.split(' ')[0] ?? name;

const namesOf = (isMeant: (command: CommandDefinition) => boolean): ReadonlySet<string> =>
  new Set(commands.filter(isMeant).flatMap(({ name, aliases }) => [firstWord(name), ...aliases]));

const isVerbatim = ({ arguments: all }: CommandDefinition): boolean =>
  Object.values(all).some(({ presence }) => presence === 'verbatim');

export const lexicalRules: LexicalRules = {
  verbatim: namesOf(isVerbatim),
  comparing: namesOf(({ isComparing }) => isComparing),
};

/** The words that can begin a command. */
export const commandWords: readonly string[] = [
  ...new Set(commands.flatMap(({ name, aliases }) => [firstWord(name), ...aliases])),
];

/** The second words of commands whose names have two. */
export const secondWordsOf = (first: string): readonly string[] =>
  commands.flatMap(({ name }) =>
    name.startsWith(`${first} `) ? [name.slice(first.length + 1)] : [],
  );

/** A statement whose command is known; its words are those behind the name. */
export interface KnownStatement {
  readonly definition: CommandDefinition;
  readonly statement: Statement;
}

/**
 * The command that a statement names.
 *
 * @throws HexzError USAGE
 */
export function resolve(statement: Statement, source: Source): KnownStatement {
  const { name, words } = statement;
  const [second, ...others] = words;
  if (second !== undefined) {
    const definition = commands.find((command) => command.name === `${name.text} ${second.text}`);
    if (definition !== undefined) {
      return { definition, statement: { ...statement, name: second, words: others } };
    }
  }
  const definition = commands.find(
    (command) => command.name === name.text || command.aliases.includes(name.text),
  );
  if (definition !== undefined) return { definition, statement };
  const seconds = secondWordsOf(name.text);
  if (seconds.length > 0) {
    const at = second?.start ?? name.end;
    throw source.errorAt(at, `${name.text} goes on with one of ${seconds.join(', ')}`);
  }
  throw source.errorAt(name.start, `there is no command ${name.text}`, hintFor(name.text));
}

function hintFor(name: string): string {
  const near = commandWords.find(
    (word) => name.length > 1 && (word.startsWith(name) || isNear(word, name)),
  );
  return near === undefined ? 'help lists the commands' : `did you mean ${near}?`;
}

/** Whether one letter was forgotten, added, mistaken, or changed places with the next. */
function isNear(word: string, name: string): boolean {
  let start = 0;
  while (start < word.length && word[start] === name[start]) start++;
  const [left, right] = [word.slice(start), name.slice(start)];
  return (
    left.slice(1) === right ||
    left === right.slice(1) ||
    left.slice(1) === right.slice(1) ||
    (left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2))
  );
}
