import { type Binding, keyLabel, paneBindings, screenBindings } from './keys/bindings.js';
import type { TextLine } from './views/textPane.js';
import type { View } from './views/view.js';

/** The help: the keys of the view that is shown, those of all views, and how the prompt is used. */
export function helpLines(view: View): TextLine[] {
  return [
    ...section(`In ${view.title}`, view.bindings()),
    ...section('Everywhere', screenBindings),
    ...section('Where text is shown, as here', paneBindings),
    ...paragraph('Commands', [
      'Behind : every command of the REPL works, in every view; Tab completes, ↑ and ↓ recall.',
      'What it answers opens in the view that shows it best, or in a pane like this one.',
      ':help lists the commands, :help COMMAND explains one, :help search how patterns are written.',
    ]),
    ...paragraph('Mouse', [
      'A press selects, the wheel scrolls; a press on a title opens its view. Most terminals select text while Shift is held.',
    ]),
  ];
}

const heading = (text: string): TextLine => ({ text, style: 'heading' });
const plain = (text: string): TextLine => ({ text, style: 'plain' });

const paragraph = (title: string, lines: readonly string[]): TextLine[] => [
  heading(title),
  ...lines.map((line) => plain(`  ${line}`)),
  plain(''),
];

function section(title: string, bindings: readonly Binding[]): TextLine[] {
  const labels = bindings.map(({ keys }) => keys.map(keyLabel).join(' '));
  const width = Math.max(0, ...labels.map((label) => label.length));
  return [
    heading(title),
    ...bindings.map(({ about }, index) =>
      plain(`  ${(labels[index] ?? '').padEnd(width)}  ${about}`),
    ),
    plain(''),
  ];
}
