import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { commands, commandWords, lexicalRules, secondWordsOf } from './commands/all.js';
import {
  type CommandDefinition,
  type Kind,
  optionFlag,
  type SessionState,
} from './commands/definition.js';
import { scan, type Word } from './language/lexer.js';
import { formatPages, PAGE_BYTES } from './language/pages.js';
import { isSettingName, settingNames, settingTable } from './settings.js';

/** What a word can become. */
export interface Completion {
  /** Where the word begins; candidates take the place of all from there to the cursor. */
  readonly start: number;
  /** As they are to be written, quotes included. All begin with what is there. */
  readonly candidates: readonly string[];
}

/** Of a long list, enough to choose from. */
const MAX_EXTENTS = 256;

/**
 * What the word before the cursor can become.
 *
 * @param line up to the cursor
 */
export async function complete(session: SessionState, line: string): Promise<Completion> {
  const { words, word, place } = locate(line);
  const found = await candidatesFor(session, words, word, place);
  const written = line.slice(word.start);
  const candidates = [...new Set(found)]
    .filter((candidate) => candidate.startsWith(word.text))
    .map((candidate) => escapeAs(candidate, written, lexicalRules.comparing.has(words[0] ?? '')))
    .filter((candidate) => candidate.startsWith(written));
  return { start: word.start, candidates };
}

/** The words before the one at the cursor, and what that one is. */
interface Located {
  readonly words: readonly string[];
  readonly word: { readonly text: string; readonly start: number };
  readonly place: 'word' | 'file' | 'nowhere';
}

function locate(line: string): Located {
  const none = { text: '', start: line.length };
  const { statements, problem } = scan(line, lexicalRules);
  const last = statements.at(-1);
  if (problem?.message.startsWith('a file is missing') === true) {
    return { words: [], word: none, place: 'file' };
  }
  if (problem !== undefined || last === undefined) return { words: [], word: none, place: 'word' };
  const { redirection, rest } = last;
  if (redirection?.kind === 'program') return { words: [], word: none, place: 'nowhere' };
  if (redirection?.kind === 'file') return { words: [], word: redirection.file, place: 'file' };
  if (rest !== undefined) {
    const [text = ''] = /\S*$/.exec(line) ?? [];
    return { words: [], word: { text, start: line.length - text.length }, place: 'file' };
  }
  const all: readonly Word[] = [last.name, ...last.words];
  const end = all.at(-1)?.end ?? 0;
  const behind = line.slice(end);
  if (behind.includes('#')) return { words: [], word: none, place: 'nowhere' };
  if (/[;\n]/.test(behind)) return { words: [], word: none, place: 'word' };
  const isAtCursor = end === line.length;
  const texts = all.map(({ text }) => text);
  return {
    words: isAtCursor ? texts.slice(0, -1) : texts,
    word: isAtCursor ? (all.at(-1) ?? none) : none,
    place: 'word',
  };
}

async function candidatesFor(
  session: SessionState,
  words: readonly string[],
  word: { readonly text: string },
  place: Located['place'],
): Promise<readonly string[]> {
  if (place === 'nowhere') return [];
  if (place === 'file') return files(word.text, false);
  const [name, second] = words;
  if (name === undefined) return commandWords;
  const seconds = words.length === 1 ? secondWordsOf(name) : [];
  const long = commands.find((command) => command.name === `${name} ${second}`);
  const definition =
    long ?? commands.find((command) => command.name === name || command.aliases.includes(name));
  if (definition === undefined) return seconds;
  const given = words.slice(long === undefined ? 1 : 2);
  return [...seconds, ...(await argumentCandidates(session, definition, given, word.text))];
}

async function argumentCandidates(
  session: SessionState,
  definition: CommandDefinition,
  given: readonly string[],
  written: string,
): Promise<readonly string[]> {
  const options = Object.entries(definition.options);
  const optionOf = (text: string | undefined) =>
    options.find(([name]) => optionFlag(name) === text)?.[1];
  if (written.startsWith('--')) {
    return options.map(([name]) => optionFlag(name)).filter((flag) => !given.includes(flag));
  }
  const valueKind = optionOf(given.at(-1))?.kind;
  if (valueKind !== undefined) return ofKind(session, valueKind, given, written);
  // Options and their values are no arguments.
  const count = given.filter(
    (text, index) => !text.startsWith('--') && optionOf(given[index - 1])?.kind === undefined,
  ).length;
  const all = Object.values(definition.arguments);
  const argument =
    all[count] ?? (/^(rest|some)$/.test(all.at(-1)?.presence ?? '') ? all.at(-1) : undefined);
  return argument === undefined ? [] : ofKind(session, argument.kind, given, written);
}

async function ofKind(
  session: SessionState,
  { completes = [], words = [] }: Kind<unknown>,
  given: readonly string[],
  written: string,
): Promise<readonly string[]> {
  if (typeof completes !== 'string') return completes;
  switch (completes) {
    case 'stream': {
      const { snapshot } = await session.client.request('state', {});
      return Object.keys(snapshot.streams);
    }
    case 'offset':
      return offsets(session, given[0]);
    case 'pages':
      return [...words, ...(await extents(session)).map(formatPages), ...bookmarks(session)];
    case 'file':
      return files(written, false);
    case 'directory':
      return files(written, true);
    case 'bookmark':
      return [...session.bookmarks.keys()];
    case 'setting':
      return settingNames;
    case 'settingValue': {
      const name = given.at(-1) ?? '';
      return isSettingName(name) ? settingTable[name].values : [];
    }
    case 'command':
      return commandWords;
  }
}

const bookmarks = (session: SessionState): string[] =>
  [...session.bookmarks.keys()].map((name) => `$${name}`);

/** Names, what was found last, and where the disk has changed. */
async function offsets(session: SessionState, stream: string | undefined): Promise<string[]> {
  const dirty = stream === 'memory' ? [] : await extents(session);
  const hits = session.hits.get(stream === 'memory' ? 'memory' : 'disk') ?? [];
  return [
    ...bookmarks(session),
    'end',
    ...[...hits, ...dirty.map(({ pageIndex }) => pageIndex * PAGE_BYTES)].map(
      (offset) => `0x${offset.toString(16)}`,
    ),
  ];
}

async function extents({ client }: SessionState) {
  try {
    return (await client.request('dirty', { limit: MAX_EXTENTS })).extents;
  } catch {
    // Whoever types is not to be disturbed.
    return [];
  }
}

function files(written: string, onlyDirectories: boolean): string[] {
  const start = written.endsWith('/') ? written : dirname(written);
  const isNamed = written.includes('/');
  try {
    return readdirSync(isNamed ? start : '.', { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith('.') || basename(written).startsWith('.'))
      .filter((entry) => !onlyDirectories || entry.isDirectory())
      .map((entry) => {
        const path = isNamed ? prefixed(written, entry.name) : entry.name;
        return entry.isDirectory() ? `${path}/` : path;
      });
  } catch {
    return [];
  }
}

/** A name beside the one that is being written, with its directory as it was written. */
const prefixed = (written: string, name: string): string =>
  `${written.slice(0, written.lastIndexOf('/') + 1)}${name}`;

/** A word that is read as this text, and is quoted in the manner in which it was begun. */
function escapeAs(text: string, written: string, isComparing: boolean): string {
  const isDirectory = text.endsWith('/');
  if (written.startsWith("'")) return `'${text.replaceAll("'", "'\\''")}${isDirectory ? '' : "'"}`;
  if (written.startsWith('"')) {
    return `"${text.replace(/["\\$`]/g, '\\$&')}${isDirectory ? '' : '"'}`;
  }
  return text.replace(isComparing ? /[\s;|#'"\\]/g : /[\s;|<>#'"\\]/g, '\\$&');
}
