import { Listing } from '../listing.js';
import { toJsonText } from './values.js';

/**
 * A result as JSON, in pieces, so that a list of any length needs no more memory than a batch of it. What the items
 * throw is thrown behind the end of a document that is complete in itself.
 */
export async function* jsonPieces(result: unknown): AsyncGenerator<string, void> {
  if (!(result instanceof Listing)) {
    yield toJsonText(result ?? {});
    return;
  }
  yield `{${membersOf(result.head)}${toJsonText(result.name)}:[`;
  let separator = '';
  try {
    for await (const batch of result.batches()) {
      if (batch.length === 0) continue;
      yield `${separator}${batch.map((item) => toJsonText(item)).join(',')}`;
      separator = ',';
    }
  } catch (error) {
    yield ']}';
    throw error;
  }
  const tail = membersOf(result.tail ?? {});
  yield `]${tail === '' ? '' : `,${tail.slice(0, -1)}`}}`;
}

/** Members with a comma behind each. */
const membersOf = (object: object): string =>
  Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${toJsonText(name)}:${toJsonText(value)},`)
    .join('');
