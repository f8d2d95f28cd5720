import { HexzError } from '../engine/errors.js';
import type { EngineStream } from './client.js';

/**
 * A result that may be too long to hold: what is known before, items in batches as they come, what is known behind
 * the last of them. Items can be taken once, and nothing is asked of the engine before they are.
 */
export class Listing<Item, Head extends object = object, Tail extends object = object> {
  readonly head: Head;
  /** What the member is called that holds the items, in JSON. */
  readonly name: string;
  readonly #take: () => AsyncGenerator<readonly Item[], Tail>;
  #tail: Tail | undefined;

  constructor(head: Head, name: string, take: () => AsyncGenerator<readonly Item[], Tail>) {
    this.head = head;
    this.name = name;
    this.#take = take;
  }

  /** @throws HexzError with which the engine ended it */
  async *batches(): AsyncGenerator<readonly Item[], Tail> {
    const tail = yield* this.#take();
    this.#tail = tail;
    return tail;
  }

  /** Undefined until all items were taken. */
  get tail(): Tail | undefined {
    return this.#tail;
  }

  /** All of it at once, for those who know that it is short. */
  async collect(): Promise<{ items: Item[]; tail: Tail | undefined }> {
    const items: Item[] = [];
    for await (const batch of this.batches()) items.push(...batch);
    return { items, tail: this.#tail };
  }
}

/** A listing of what a method of the engine yields. */
export function listingOf<Given, Answer, Item, Head extends object, Tail extends object>(
  head: Head,
  name: string,
  start: () => EngineStream<Given, Answer>,
  itemOf: (given: Given) => Item,
  tailOf: (answer: Answer) => Tail,
): Listing<Item, Head, Tail> {
  return new Listing(head, name, async function* () {
    const stream = start();
    for await (const batch of stream.batches()) yield batch.map(itemOf);
    return tailOf(await stream.result);
  });
}

/**
 * The same, but where there is no overlay, an empty one that says why: a question does not fail for what it finds.
 */
export function orWithoutOverlay<Item, Head extends object, Tail extends object>(
  listing: Listing<Item, Head, Tail>,
): Listing<Item, Head, Tail | WithoutOverlay> {
  return new Listing<Item, Head, Tail | WithoutOverlay>(
    listing.head,
    listing.name,
    async function* () {
      try {
        return yield* listing.batches();
      } catch (error) {
        if (error instanceof HexzError && error.code === 'NO_OVERLAY')
          return { note: error.message };
        throw error;
      }
    },
  );
}

/** What is known behind an answer that has nothing in it. */
export interface WithoutOverlay {
  readonly note: string;
}

interface Page<Item, Rest> {
  readonly items: readonly Item[];
  /** Where to go on; null at the end. */
  readonly next: number | null;
  readonly rest: Rest;
}

/** A listing of what the engine answers page by page; what is known behind it is told by the last page. */
export function pagedListing<Item, Head extends object, Tail extends object>(
  head: Head,
  name: string,
  first: number,
  ask: (from: number) => Promise<Page<Item, Tail>>,
): Listing<Item, Head, Tail> {
  return new Listing(head, name, async function* () {
    for (let from = first; ; ) {
      const { items, next, rest } = await ask(from);
      yield items;
      if (next === null) return rest;
      from = next;
    }
  });
}
