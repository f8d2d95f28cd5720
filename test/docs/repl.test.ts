import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commands } from '../../src/repl/commands/all.js';
import { Source } from '../../src/repl/language/source.js';
import { withReference } from '../../src/repl/reference.js';
import { projectDirectory } from '../support/fixtures.js';
import { newSession } from '../support/repl/runRepl.js';

const page = readFileSync(join(projectDirectory, 'docs', 'repl.md'), 'utf8');

test('docs/repl.md says of the commands what they say of themselves (npm run docs)', () => {
  expect(page).toBe(withReference(page));
});

test('the script in docs/repl.md can be understood', () => {
  const script = /```\n(# check\.hexz\n[\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(newSession().parse(new Source(script))).toHaveLength(6);
});

test.each(commands.flatMap(({ examples }) => examples).map((example) => [example]))(
  'the example %s can be understood',
  (example) => {
    expect(newSession().parse(new Source(example))).toHaveLength(1);
  },
);
