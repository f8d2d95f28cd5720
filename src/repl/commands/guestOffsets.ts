import { MAX_LISTED } from '../../engine/control/protocol/methods.js';
import { HexzError } from '../../engine/errors.js';
import type { EngineClient } from '../client.js';
import { Listing } from '../listing.js';
import type { Found, Place, Stretch } from './place.js';

/*
 * With --raw, offsets of a memory are bytes of its stream; if that is a container, the guest's addresses stand
 * beside them.
 */

type Extent = Pick<Found, 'offset' | 'length'>;
type Run = Extent & { readonly guestOffset: number | null };
/** Answers the runs that some stretches are made of; undefined where nobody knows, or offsets are addresses. */
type Locate = (stretches: readonly Extent[]) => Promise<readonly Run[] | undefined>;

/** A container that cannot be understood is looked at all the same: that is what --raw is for. */
function locator(client: EngineClient, { stream, addressing }: Place, signal: AbortSignal): Locate {
  let isKnown = stream === 'memory' && addressing === 'raw';
  return async (stretches) => {
    if (!isKnown) return undefined;
    try {
      const { isContainer, runs } = await client.request(
        'locate',
        { stretches: [...stretches] },
        { signal },
      );
      isKnown = isContainer;
      return isContainer ? runs : undefined;
    } catch (error) {
      const code = error instanceof HexzError ? error.code : undefined;
      if (code === undefined || code === 'CANCELLED' || code === 'ENGINE_GONE') throw error;
      isKnown = false;
      return undefined;
    }
  };
}

/** A listing whose items say the address of their first byte. */
export function withGuestOffsets<Item extends Found, Head extends object, Tail extends object>(
  listing: Listing<Item, Head, Tail>,
  client: EngineClient,
  place: Place,
  signal: AbortSignal,
): Listing<Item & Pick<Found, 'guestOffset'>, Head, Tail> {
  const locate = locator(client, place, signal);
  return new Listing(listing.head, listing.name, async function* () {
    for await (const batch of listing.batches()) {
      for (let at = 0; at < batch.length; at += MAX_LISTED) {
        const items = batch.slice(at, at + MAX_LISTED);
        const runs = await locate(items.map(({ offset }) => ({ offset, length: 1 })));
        yield runs === undefined
          ? items
          : items.map((item, index) => ({ ...item, guestOffset: runs[index]?.guestOffset }));
      }
    }
    // It has one now: all its items were taken.
    return listing.tail as Tail;
  });
}

/** What cuts bytes of a stream where the memory does not go on. */
export function guestParts(
  client: EngineClient,
  place: Place,
  signal: AbortSignal,
): (stretch: Stretch) => Promise<readonly Stretch[]> {
  const locate = locator(client, place, signal);
  return async (stretch) => {
    const { bytes, offset, length } = stretch;
    if (bytes === undefined) return [stretch];
    const runs = await locate([{ offset, length }]);
    if (runs === undefined) return [stretch];
    return runs.map((run) => {
      const start = run.offset - offset;
      return { ...run, bytes: bytes.subarray(start, start + run.length) };
    });
  };
}
