import type { FoundString, Match } from '../../../engine/control/protocol/inspection.js';
import type { StreamName } from '../../../repl/commands/definition.js';
import type { Place } from '../../../repl/commands/place.js';
import { previewText } from '../../../repl/commands/search.js';
import { Listing } from '../../../repl/listing.js';
import { formatOffset, printable } from '../../../repl/rendering/values.js';
import { type ListItem, ResultList } from './resultList.js';

/** What `find` and `strings` of a stream answer before anything is found. */
interface SearchHead extends Place {
  readonly offset: number;
  readonly pattern?: string;
}

/** A listing of something that was found in a stream, if a command's answer is that. */
export function searchListing(
  result: unknown,
  stream: StreamName,
): Listing<Match | FoundString, SearchHead> | undefined {
  if (!(result instanceof Listing)) return undefined;
  const { head } = result as Listing<Match | FoundString, Partial<SearchHead>>;
  return head.stream === stream && head.offset !== undefined
    ? (result as Listing<Match | FoundString, SearchHead>)
    : undefined;
}

/** Fills as it is searched. */
export function foundList(
  listing: Listing<Match | FoundString, SearchHead>,
  command: string,
  changed: () => void,
): ResultList {
  const { pattern, offset } = listing.head;
  const from = offset === 0 ? '' : ` from ${formatOffset(offset)} on`;
  const title = pattern === undefined ? `strings${from}` : `${printable(pattern)}${from}`;
  const source = { title, command, batches: listing.batches(), itemOf };
  return ResultList.filledBy(source, changed);
}

export function bookmarkList(bookmarks: ReadonlyMap<string, number>): ResultList {
  const items = [...bookmarks].sort(([, left], [, right]) => left - right);
  return ResultList.of(
    { title: 'bookmarks', command: 'bookmark' },
    items.map(([name, offset]) => ({ offset, length: 1, text: `$${name}` })),
  );
}

function itemOf(given: Match | FoundString): ListItem {
  const { offset, length, streamOffset } = given;
  const text = 'text' in given ? printable(given.text) : previewText(given);
  return { offset, length, streamOffset, text };
}
