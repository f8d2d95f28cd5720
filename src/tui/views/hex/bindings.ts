import type { Binding } from '../../keys/bindings.js';

/** Keys of the bytes. */
export const hexBindings = [
  { command: 'up', keys: ['up', 'k'], about: 'a row up' },
  { command: 'down', keys: ['down', 'j'], about: 'a row down' },
  { command: 'left', keys: ['left', 'h'], about: 'a byte back' },
  { command: 'right', keys: ['right', 'l'], about: 'a byte further' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'a screen up' },
  { command: 'pageDown', keys: ['pagedown', 'ctrl+f', 'space'], about: 'a screen down' },
  { command: 'top', keys: ['home', 'g'], about: 'the first byte' },
  { command: 'bottom', keys: ['end', 'G'], about: 'the last byte' },
  { command: 'rowStart', keys: ['^', '0'], about: 'the first byte of the row' },
  { command: 'rowEnd', keys: ['$'], about: 'the last byte of the row' },
  {
    command: 'goTo',
    keys: ['o', 'ctrl+g'],
    about: 'go to an offset: 0x1000, 4K, +1M, -16, page(7), block(3), end-512, $bookmark',
    hint: 'go to',
  },
  { command: 'search', keys: ['/'], about: 'search forward (docs/search.md)', hint: 'search' },
  { command: 'searchBack', keys: ['\\'], about: 'search backward' },
  { command: 'next', keys: ['n'], about: 'the next match' },
  { command: 'previous', keys: ['N'], about: 'the match before' },
  { command: 'findAll', keys: ['F'], about: 'list all matches' },
  { command: 'strings', keys: ['s'], about: 'list the texts from here on', hint: 'strings' },
  {
    command: 'inspector',
    keys: ['i'],
    about: 'show or hide what the bytes may be',
  },
  {
    command: 'follow',
    keys: ['f'],
    about: 'follow what is being read, until a key moves the cursor',
    hint: 'follow',
  },
  { command: 'nextData', keys: [']'], about: 'the next page that is not all zeros' },
  { command: 'previousData', keys: ['['], about: 'the page before that is not all zeros' },
  { command: 'bookmark', keys: ['b'], about: 'give the place a name' },
  { command: 'bookmarks', keys: ['B'], about: 'list the bookmarks' },
  { command: 'back', keys: ['ctrl+o', '<', 'alt+left'], about: 'back to where one was' },
  { command: 'forward', keys: ['>', 'alt+right'], about: 'forward again' },
  { command: 'mark', keys: ['m'], about: 'mark from here on, or end that' },
  {
    command: 'export',
    keys: ['e'],
    about: 'write what is marked, or so many bytes, to a file',
    hint: 'export',
  },
  { command: 'list', keys: ['L'], about: 'back to the list' },
  {
    command: 'escape',
    keys: ['escape'],
    about: 'end what goes on: a search, following, a mark, the list',
  },
] as const satisfies readonly Binding[];

export const sideBinding = {
  command: 'side',
  keys: ['v'],
  about: 'the other side: what the mount shows, or the base',
  hint: 'side',
} as const satisfies Binding;

export const addressingBinding = {
  command: 'addressing',
  keys: ['a'],
  about: 'the other addresses: guest-physical, or of the stream',
  hint: 'guest/raw',
} as const satisfies Binding;

export type HexCommand =
  | (typeof hexBindings)[number]['command']
  | (typeof sideBinding)['command']
  | (typeof addressingBinding)['command'];

/** Keys of a list of places. */
export const listBindings = [
  { command: 'list.up', keys: ['up', 'k'], about: 'an item up' },
  { command: 'list.down', keys: ['down', 'j'], about: 'an item down; the bytes go along' },
  { command: 'list.pageUp', keys: ['pageup', 'ctrl+b'], about: 'a page up' },
  { command: 'list.pageDown', keys: ['pagedown', 'ctrl+f', 'space'], about: 'a page down' },
  { command: 'list.top', keys: ['home', 'g'], about: 'the first item' },
  { command: 'list.bottom', keys: ['end', 'G'], about: 'the last item so far' },
  { command: 'list.open', keys: ['enter'], about: 'to the bytes; L comes back', hint: 'open' },
  { command: 'list.filter', keys: ['/'], about: 'only items with a text in them', hint: 'filter' },
  {
    command: 'list.export',
    keys: ['e'],
    about: 'write all of it to a file, with the command that made it',
    hint: 'export',
  },
  {
    command: 'list.close',
    keys: ['escape', 'x'],
    about: 'close it, and end its search',
    hint: 'close',
  },
] as const satisfies readonly Binding[];

export type ListCommand = (typeof listBindings)[number]['command'];

/** Keys of the page map. */
export const mapBindings = [
  { command: 'map.left', keys: ['left', 'h'], about: 'a cell back' },
  { command: 'map.right', keys: ['right', 'l'], about: 'a cell further; the bytes go along' },
  { command: 'map.up', keys: ['up', 'k'], about: 'a row of cells up' },
  { command: 'map.down', keys: ['down', 'j'], about: 'a row of cells down' },
  { command: 'map.top', keys: ['home', 'g'], about: 'the first cell' },
  { command: 'map.bottom', keys: ['end', 'G'], about: 'the last cell' },
  {
    command: 'map.open',
    keys: ['enter', 'escape', 'p'],
    about: 'to the bytes',
    hint: 'to the bytes',
  },
] as const satisfies readonly Binding[];

export type MapCommand = (typeof mapBindings)[number]['command'];

/** What memory has besides the keys of the bytes. */
export const memoryBindings = [
  { command: 'map.enter', keys: ['p'], about: 'to the map of the pages', hint: 'map' },
  { command: 'map.toggle', keys: ['P'], about: 'show or hide the map of the pages' },
  { command: 'describe', keys: ['d'], about: 'describe the container, its ranges and the kernel' },
] as const satisfies readonly Binding[];
