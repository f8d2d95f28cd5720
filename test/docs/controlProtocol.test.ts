import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { greeting, reply, request } from '../../src/engine/control/protocol/messages.js';
import { withMethods } from '../../src/engine/control/protocol/reference.js';
import { projectDirectory } from '../support/fixtures.js';

const page = readFileSync(join(projectDirectory, 'docs', 'control-protocol.md'), 'utf8');

test('docs/control-protocol.md says of the methods what the schemas say (npm run docs)', () => {
  expect(page).toBe(withMethods(page));
});

test('the session in docs/control-protocol.md is made of messages', () => {
  const session = page.slice(page.indexOf('## By hand'), page.indexOf('## Methods'));
  const lines = session.split('\n').filter((line) => /^(> )?\{.*\}$/.test(line));
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    const isAsked = line.startsWith('> ');
    const message: unknown = JSON.parse(isAsked ? line.slice(2) : line);
    const schemas = isAsked ? [request] : [greeting, reply];
    expect(schemas.some((schema) => schema.safeParse(message).success)).toBe(true);
  }
});
