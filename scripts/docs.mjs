// Brings docs/repl.md up to date with the commands. Needs the build.
import { readFileSync, writeFileSync } from 'node:fs';
import { withReference } from '../dist/repl/reference.js';

const path = 'docs/repl.md';
writeFileSync(path, withReference(readFileSync(path, 'utf8')));
