// Brings pages of docs/ up to date with what they describe. Needs the build.
import { readFileSync, writeFileSync } from 'node:fs';
import { withMethods } from '../dist/engine/control/protocol/reference.js';
import { withReference } from '../dist/repl/reference.js';
import { withKeys } from '../dist/tui/reference.js';

const pages = {
  'docs/repl.md': withReference,
  'docs/control-protocol.md': withMethods,
  'docs/screen.md': withKeys,
};
for (const [path, renew] of Object.entries(pages)) {
  writeFileSync(path, renew(readFileSync(path, 'utf8')));
}
