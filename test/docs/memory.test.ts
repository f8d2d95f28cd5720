import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as limits from '../../src/forensics/memory/limits.js';
import { projectDirectory } from '../support/fixtures.js';

const text = readFileSync(join(projectDirectory, 'docs', 'memory.md'), 'utf8');

test('docs/memory.md tells the limits that the code has, in the same order', () => {
  const section = text.slice(text.indexOf('\n## Limits'));
  const numbers = [...section.matchAll(/^\| [^|]+ \| ([\d,]+)(?: \([^)]*\))? +\|$/gm)].map(
    ([, number = '']) => Number(number.replaceAll(',', '')),
  );
  const source = readFileSync(
    join(projectDirectory, 'src', 'forensics', 'memory', 'limits.ts'),
    'utf8',
  );
  const values = new Map<string, number>(Object.entries(limits));
  const names = [...source.matchAll(/^export const (\w+)/gm)].map(([, name = '']) => name);
  expect(numbers).toEqual(names.map((name) => values.get(name)));
});
