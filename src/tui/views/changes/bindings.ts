import type { Binding } from '../../keys/bindings.js';

/** Keys that say what is thought of what is selected. */
export const markingBindings = [
  { command: 'keep', keys: ['k'], about: 'decide that it is committed', hint: 'keep' },
  { command: 'drop', keys: ['d'], about: 'decide that it is left out of a commit', hint: 'drop' },
  {
    command: 'viewed',
    keys: ['v'],
    about: 'mark it as looked at, or take the mark away',
    hint: 'viewed',
  },
  { command: 'clear', keys: ['x'], about: 'open again: take its decision back' },
] as const satisfies readonly Binding[];

/** What else is done to it, and what is taken back. */
export const changingBindings = [
  {
    command: 'split',
    keys: ['s'],
    about: 'cut it in two before a page, for the review',
    hint: 'split',
  },
  { command: 'undo', keys: ['u'], about: 'take the last decision back', hint: 'undo' },
  { command: 'redo', keys: ['U'], about: 'make it again' },
  {
    command: 'dropLive',
    keys: ['D'],
    about: 'take it out of the live overlay, so that the base shows through; asks first',
    hint: 'drop live',
  },
] as const satisfies readonly Binding[];

/** Keys of the list of extents. */
export const overlayBindings = [
  { command: 'up', keys: ['up'], about: 'the extent before' },
  { command: 'down', keys: ['down'], about: 'the next extent' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'a page up' },
  { command: 'pageDown', keys: ['pagedown', 'ctrl+f'], about: 'a page down' },
  { command: 'first', keys: ['home', 'g'], about: 'the first extent' },
  { command: 'last', keys: ['end', 'G'], about: 'the last extent' },
  { command: 'open', keys: ['enter'], about: 'base and overlay side by side', hint: 'open' },
  ...markingBindings,
  ...changingBindings,
  {
    command: 'find',
    keys: ['/'],
    about: 'go to an offset, or show only a range (1M+64K), or one kind: changed, equal, new',
    hint: 'find',
  },
  { command: 'export', keys: ['e'], about: 'write the list of extents to a file', hint: 'export' },
  { command: 'all', keys: ['escape'], about: 'show all extents again' },
] as const satisfies readonly Binding[];

/** Keys while base and overlay are shown side by side. */
export const sidesBindings = [
  {
    command: 'nextChange',
    keys: ['n'],
    about: 'the next change, also of the next one',
    hint: 'next',
  },
  { command: 'previousChange', keys: ['N'], about: 'the change before', hint: 'previous' },
  ...markingBindings,
  ...changingBindings,
  { command: 'disk', keys: ['enter'], about: 'this place in the Disk view', hint: 'disk' },
  { command: 'close', keys: ['escape'], about: 'back to the list', hint: 'back' },
  { command: 'up', keys: ['up'], about: 'a row up' },
  { command: 'down', keys: ['down'], about: 'a row down' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'a page up' },
  { command: 'pageDown', keys: ['pagedown', 'ctrl+f', 'space'], about: 'a page down' },
  { command: 'first', keys: ['home', 'g'], about: 'its first change' },
  { command: 'last', keys: ['end', 'G'], about: 'its last change' },
  { command: 'previousRun', keys: ['left'], about: 'the one before it in the list' },
  { command: 'nextRun', keys: ['right'], about: 'the next one in the list' },
] as const satisfies readonly Binding[];

export type DecidingCommand =
  | (typeof markingBindings)[number]['command']
  | (typeof changingBindings)[number]['command'];
export type OverlayCommand = (typeof overlayBindings)[number]['command'];
export type SidesCommand = (typeof sidesBindings)[number]['command'];
