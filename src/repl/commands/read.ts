import { Listing } from '../listing.js';
import { chooseRowLayout, type HexLayout, hexRowText } from '../rendering/hexView.js';
import type { View } from '../rendering/rendering.js';
import { countOf, formatBytes, formatOffset } from '../rendering/values.js';
import { defineCommand, optional, required } from './definition.js';
import { guestParts } from './guestOffsets.js';
import { lengthKind, offsetKind, streamKind } from './kinds.js';
import {
  besideOffset,
  type Found,
  placeOf,
  placeOptions,
  readStretch,
  type ShownPlace,
  shownPlace,
} from './place.js';

const DEFAULT_BYTES = 256;

interface ReadPiece extends Found {
  /** Hexadecimal digits; null where a memory has nothing. */
  readonly bytes: string | null;
}

interface ReadHead extends ShownPlace {
  readonly offset: number;
  /** Bytes that were asked for. */
  readonly askedLength: number;
}

interface ReadTail {
  readonly length: number;
  readonly endOffset: number;
}

export const readCommand = defineCommand({
  name: 'read',
  aliases: ['hex'],
  group: 'Look',
  summary: 'Shows bytes of a stream',
  details: [
    `Without OFFSET it goes on where the last command of the stream ended. Without LENGTH it shows ${DEFAULT_BYTES} bytes. Rows of zeros that follow each other are told with their number. An address that no range of a memory holds is "not present", which is not the same as zeros. At the end of the stream it shows what there is, and says so: in \`--json\`, \`length\` is then less than \`askedLength\`.`,
  ],
  examples: [
    'read disk 0x438 16',
    'read disk',
    'hex memory 0x1000 page(1) --raw',
    'read disk end-512 512',
  ],
  arguments: {
    stream: required(streamKind, 'where to look'),
    offset: optional(offsetKind, 'where to begin'),
    length: optional(lengthKind, 'how many bytes'),
  },
  options: placeOptions,
  async run({ session, signal }, values) {
    const { stream, length = DEFAULT_BYTES } = values;
    const offset = values.offset ?? session.cursors.get(stream) ?? 0;
    const place = placeOf(values);
    return new Listing<ReadPiece, ReadHead, ReadTail>(
      { ...shownPlace(place), offset, askedLength: length },
      'pieces',
      async function* () {
        const pieces = readStretch(session.client, place, offset, length, signal);
        const partsOf = guestParts(session.client, place, signal);
        for (;;) {
          const next = await pieces.next();
          if (next.done === true) {
            session.cursors.set(stream, offset + next.value.length);
            return next.value;
          }
          const parts = await partsOf(next.value);
          yield parts.map((part) => ({ ...part, bytes: part.bytes?.toString('hex') ?? null }));
        }
      },
    );
  },
}).shownAs({
  text: (listing, view) => hexText(listing, view),
  async *table(listing) {
    yield 'offset\tlength\tbytes\n';
    for await (const batch of listing.batches()) {
      for (const { offset, length, bytes } of batch)
        yield `${offset}\t${length}\t${bytes ?? '-'}\n`;
    }
  },
});

async function* hexText(
  listing: Listing<ReadPiece, ReadHead, ReadTail>,
  view: View,
): AsyncGenerator<string, void> {
  const rows = new HexRows(chooseRowLayout(view.columns, view.isColoured, listing.head.offset));
  for await (const batch of listing.batches()) {
    for (const piece of batch) {
      if (piece.bytes !== null) yield rows.add(piece, Buffer.from(piece.bytes, 'hex'));
      else
        yield `${rows.end()}${formatOffset(piece.offset)}  not present: ${formatBytes(piece.length)}\n`;
    }
  }
  yield rows.end();
  const { tail, head } = listing;
  if (head.askedLength === 0) yield 'no bytes were asked for\n';
  if (tail === undefined || tail.length >= head.askedLength) return;
  const end = `the ${head.stream} ends at ${formatOffset(tail.endOffset)}`;
  yield tail.length === 0 ? `nothing at ${formatOffset(head.offset)}: ${end}\n` : `${end}\n`;
}

/**
 * Makes rows of bytes. State: `#zeroRows` are rows of zeros behind one that was shown, and not told yet.
 */
class HexRows {
  readonly #layout: HexLayout;
  #wasZero = false;
  #zeroRows = 0;

  constructor(layout: HexLayout) {
    this.#layout = layout;
  }

  add({ offset, streamOffset, guestOffset }: Found, bytes: Buffer): string {
    const { rowBytes } = this.#layout;
    const other = streamOffset ?? guestOffset;
    const isInContainer = streamOffset !== undefined || guestOffset !== undefined;
    let text = '';
    for (let at = 0; at < bytes.length; at += rowBytes) {
      const row = bytes.subarray(at, at + rowBytes);
      const isZero = row.length === rowBytes && row.every((byte) => byte === 0);
      if (isZero && this.#wasZero) {
        this.#zeroRows++;
        continue;
      }
      text += this.end();
      this.#wasZero = isZero;
      const place = typeof other === 'number' ? other + at : other;
      const beside = isInContainer ? ` ${besideOffset(place).padEnd(13)}` : '';
      text += `${hexRowText(offset + at, beside, row, this.#layout)}\n`;
    }
    return text;
  }

  /** What was held back. */
  end(): string {
    const rows = this.#zeroRows;
    this.#zeroRows = 0;
    this.#wasZero = false;
    return rows === 0 ? '' : `... ${countOf(rows, 'row')} of zeros\n`;
  }
}
