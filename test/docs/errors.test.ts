import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorTable } from '../../src/index.js';
import { projectDirectory } from '../support/fixtures.js';

test('docs/errors.md lists every error code as the code has it, in the same order', () => {
  const text = readFileSync(join(projectDirectory, 'docs', 'errors.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| `([A-Z]+)` \| (.+) \|$/gm)].map(
    ([, code, exitStatus, errno, meaning]) => [code, Number(exitStatus), errno, meaning],
  );
  const table = Object.entries(errorTable).map(([code, { exitStatus, errno, meaning }]) => [
    code,
    exitStatus,
    errno,
    meaning,
  ]);
  expect(rows).toEqual(table);
});
