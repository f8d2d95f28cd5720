import { type Binding, keyLabel, paneBindings, screenBindings } from './keys/bindings.js';
import { mapBindings as activityBindings, detailBindings } from './views/activity/bindings.js';
import { overlayBindings, sidesBindings } from './views/changes/bindings.js';
import {
  addressingBinding,
  hexBindings,
  listBindings,
  memoryBindings,
  mapBindings as pageMapBindings,
  sideBinding,
} from './views/hex/bindings.js';
import { logBindings } from './views/logView.js';
import { committingBindings, reviewBindings } from './views/review/reviewBindings.js';

/** Where keys work, in the order of the page. */
const groups: readonly (readonly [string, readonly Binding[]])[] = [
  ['Everywhere', screenBindings],
  ['Where text is shown: help, answers', paneBindings],
  ['Activity', activityBindings],
  ['Activity, the blocks of a cell', detailBindings],
  ['Overlay', overlayBindings],
  ['Overlay and Review, base and overlay side by side', sidesBindings],
  ['Disk and Memory', [...hexBindings, sideBinding]],
  ['Disk and Memory, a list', listBindings],
  ['Memory, besides', [...memoryBindings, addressingBinding]],
  ['Memory, the map of the pages', pageMapBindings],
  ['Review', reviewBindings],
  ['Review, while a commit is made', committingBindings],
  ['Log', logBindings],
];

const REFERENCE_MARK = '<!-- What follows is made from the bindings themselves: npm run docs -->';

/** docs/screen.md with the keys as they are now behind the mark. */
export function withKeys(page: string): string {
  const at = page.indexOf(REFERENCE_MARK);
  const written = at === -1 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  return `${written}${REFERENCE_MARK}\n\n${groups.map(sectionOf).join('\n\n')}\n`;
}

const sectionOf = ([title, bindings]: (typeof groups)[number]): string =>
  [`### ${title}`, '', '| | |', '| --- | --- |', ...bindings.map(row)].join('\n');

const row = ({ keys, about }: Binding): string =>
  `| ${keys.map((key) => codeOf(keyLabel(key))).join(' ')} | ${about.replaceAll('|', '\\|')} |`;

const codeOf = (key: string): string => `\`${key}\``;
