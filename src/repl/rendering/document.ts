import { type Fact, facts, type Rendering } from './rendering.js';

/** A document of any shape: a line for each value, named by its path. */
export const documentRendering: Rendering<Record<string, unknown>> = facts((document) => [
  ...factsOf(document, ''),
]);

function* factsOf(value: unknown, path: string): Generator<Fact, void> {
  if (typeof value !== 'object' || value === null) {
    yield [path, String(value)];
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    yield* factsOf(member, path === '' ? name : `${path}.${name}`);
  }
}
