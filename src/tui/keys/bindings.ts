/** A command of the screen, and the keys that it is bound to. Help and the status line are made of these. */
export interface Binding<Command extends string = string> {
  readonly command: Command;
  /** As `Input` names them; the first is the one that is shown. */
  readonly keys: readonly string[];
  /** What it does, for the help; without a full stop. */
  readonly about: string;
  /** The same in a word, for the status line; without it, it stands in the help alone. */
  readonly hint?: string;
}

export const commandFor = <Command extends string>(
  key: string,
  bindings: readonly Binding<Command>[],
): Command | undefined => bindings.find(({ keys }) => keys.includes(key))?.command;

const symbols: Readonly<Record<string, string>> = {
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  enter: '⏎',
  space: 'space',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  escape: 'Esc',
  tab: 'Tab',
  backspace: '⌫',
  delete: 'Del',
};

/** A key as people read it: `ctrl+l` as `Ctrl+L`. */
export function keyLabel(key: string): string {
  const parts = key.split('+');
  const last = parts.pop() || '+';
  const modifiers = parts
    .filter((part) => part !== '')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1));
  const symbol = symbols[last] ?? (modifiers.includes('Ctrl') ? last.toUpperCase() : last);
  return [...modifiers, symbol].join('+');
}

/** What works in every view, unless the view binds the key itself. */
export const screenBindings = [
  { command: 'view1', keys: ['1'], about: 'the Activity view' },
  { command: 'view2', keys: ['2'], about: 'the Overlay view' },
  { command: 'view3', keys: ['3'], about: 'the Disk view' },
  { command: 'view4', keys: ['4'], about: 'the Memory view' },
  { command: 'view5', keys: ['5'], about: 'the Review view' },
  { command: 'view6', keys: ['6'], about: 'the Log view' },
  { command: 'nextView', keys: ['tab'], about: 'the next view' },
  { command: 'previousView', keys: ['shift+tab'], about: 'the view before' },
  { command: 'command', keys: [':'], about: 'type a command', hint: 'command' },
  { command: 'results', keys: ['R'], about: 'show once more what the last command answered' },
  { command: 'help', keys: ['?', 'f1'], about: 'this help', hint: 'help' },
  { command: 'redraw', keys: ['ctrl+l'], about: 'draw the whole screen anew' },
  { command: 'suspend', keys: ['ctrl+z'], about: 'back to the shell; fg comes back' },
  { command: 'quit', keys: ['q', 'ctrl+c'], about: 'leave', hint: 'quit' },
] as const satisfies readonly Binding[];

export type ScreenCommand = (typeof screenBindings)[number]['command'];

/** What works in panes of text: help, results. */
export const paneBindings = [
  { command: 'up', keys: ['up', 'k'], about: 'a line up' },
  { command: 'down', keys: ['down', 'j'], about: 'a line down', hint: 'scroll' },
  { command: 'pageUp', keys: ['pageup', 'ctrl+b'], about: 'a page up' },
  { command: 'pageDown', keys: ['pagedown', 'space', 'ctrl+f'], about: 'a page down' },
  { command: 'top', keys: ['home', 'g'], about: 'the beginning' },
  { command: 'bottom', keys: ['end', 'G'], about: 'the end' },
  { command: 'close', keys: ['escape', 'q', 'enter'], about: 'close it', hint: 'close' },
] as const satisfies readonly Binding[];

export type PaneCommand = (typeof paneBindings)[number]['command'];
