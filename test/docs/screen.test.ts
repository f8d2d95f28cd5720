import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withKeys } from '../../src/tui/reference.js';
import { projectDirectory } from '../support/fixtures.js';

test('docs/screen.md lists the keys that are bound (npm run docs)', () => {
  const page = readFileSync(join(projectDirectory, 'docs', 'screen.md'), 'utf8');
  expect(page).toBe(withKeys(page));
});
