import type { Binding } from '../../keys/bindings.js';
import { changingBindings, markingBindings } from '../changes/bindings.js';

/** Keys of the commit panel. */
const commitBindings = [
  { command: 'commit', keys: ['c'], about: 'commit as the panel says', hint: 'commit' },
  { command: 'output', keys: ['o'], about: 'the file that the commit makes', hint: 'output' },
  { command: 'thin', keys: ['t'], about: 'thin (borrows from the base) or thick', hint: 'thin' },
  { command: 'message', keys: ['m'], about: 'why it was made', hint: 'message' },
  { command: 'compression', keys: ['z'], about: 'compress with lz4 or zstd', hint: 'zstd' },
  { command: 'verify', keys: ['V'], about: 'read every byte back, or what is written anew' },
] as const satisfies readonly Binding[];

/** Keys of the list of hunks. */
export const reviewBindings = [
  { command: 'up', keys: ['up'], about: 'the hunk before' },
  { command: 'down', keys: ['down'], about: 'the next hunk' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'a page up' },
  { command: 'pageDown', keys: ['pagedown', 'ctrl+f'], about: 'a page down' },
  { command: 'first', keys: ['home', 'g'], about: 'the first hunk' },
  { command: 'last', keys: ['end', 'G'], about: 'the last hunk' },
  ...markingBindings,
  { command: 'nextOpen', keys: ['n'], about: 'the next hunk that is open', hint: 'next' },
  { command: 'previousOpen', keys: ['N'], about: 'the open hunk before' },
  { command: 'open', keys: ['enter'], about: 'base and overlay side by side', hint: 'look' },
  ...commitBindings,
  {
    command: 'keepOpen',
    keys: ['a'],
    about: 'keep all that is open; asks first',
    hint: 'keep all',
  },
  ...changingBindings,
  { command: 'join', keys: ['j'], about: 'join it with the next hunk' },
  {
    command: 'dropAllLive',
    keys: ['X'],
    about: 'take all that is dropped out of the live overlay; asks first',
  },
  {
    command: 'find',
    keys: ['/'],
    about: 'go to an offset, or show only what is open, keep, drop, viewed or changed',
    hint: 'find',
  },
  { command: 'export', keys: ['e'], about: 'write the list of hunks to a file' },
  { command: 'all', keys: ['escape'], about: 'show all hunks again' },
] as const satisfies readonly Binding[];

/** Keys while a commit is made. */
export const committingBindings = [
  { command: 'cancel', keys: ['escape'], about: 'cancel the commit', hint: 'cancel' },
] as const satisfies readonly Binding[];

export type CommitCommand =
  | (typeof commitBindings)[number]['command']
  | (typeof committingBindings)[number]['command'];

export const isCommitCommand = (command: string): command is CommitCommand =>
  [...commitBindings, ...committingBindings].some((binding) => binding.command === command);

export type ReviewCommand = (typeof reviewBindings)[number]['command'];
