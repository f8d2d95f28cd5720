import type { Binding } from '../../keys/bindings.js';

/** Keys on the map. */
export const mapBindings = [
  { command: 'left', keys: ['left', 'h'], about: 'a cell to the left', hint: 'cell' },
  { command: 'right', keys: ['right', 'l'], about: 'a cell to the right' },
  { command: 'up', keys: ['up', 'k'], about: 'a row of cells up' },
  { command: 'down', keys: ['down', 'j'], about: 'a row of cells down' },
  { command: 'first', keys: ['home', 'g'], about: 'the first cell' },
  { command: 'last', keys: ['end', 'G'], about: 'the last cell' },
  { command: 'detail', keys: ['enter'], about: 'the blocks of the cell, and why', hint: 'why' },
  { command: 'pause', keys: ['space'], about: 'hold this moment, or go on live', hint: 'pause' },
  { command: 'back', keys: ['['], about: 'a second back in time', hint: 'back in time' },
  { command: 'forward', keys: [']'], about: 'a second forward' },
  { command: 'farBack', keys: ['{'], about: 'ten seconds back' },
  { command: 'farForward', keys: ['}'], about: 'ten seconds forward' },
  { command: 'stream', keys: ['s'], about: 'the disk, or the memory', hint: 'stream' },
  {
    command: 'export',
    keys: ['e'],
    about: 'write what is seen to a file, as JSON',
    hint: 'export',
  },
] as const satisfies readonly Binding[];

export type MapCommand = (typeof mapBindings)[number]['command'];

/** Keys while the blocks of a cell are shown. */
export const detailBindings = [
  { command: 'up', keys: ['up', 'k'], about: 'the block before', hint: 'block' },
  { command: 'down', keys: ['down', 'j'], about: 'the next block' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'ten blocks up' },
  { command: 'pageDown', keys: ['pagedown', 'ctrl+f'], about: 'ten blocks down' },
  { command: 'first', keys: ['home', 'g'], about: 'the first block of the cell' },
  { command: 'last', keys: ['end', 'G'], about: 'the last block that is known' },
  { command: 'left', keys: ['left', 'h'], about: 'the cell before', hint: 'cell' },
  { command: 'right', keys: ['right', 'l'], about: 'the next cell' },
  { command: 'read', keys: ['enter'], about: 'the bytes of the block', hint: 'bytes' },
  { command: 'close', keys: ['escape'], about: 'back to the map', hint: 'back' },
  { command: 'pause', keys: ['space'], about: 'hold this moment, or go on live', hint: 'pause' },
  {
    command: 'export',
    keys: ['e'],
    about: 'write what is seen to a file, as JSON',
    hint: 'export',
  },
] as const satisfies readonly Binding[];

export type DetailCommand = (typeof detailBindings)[number]['command'];
