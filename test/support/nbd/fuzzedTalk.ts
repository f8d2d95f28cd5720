import fc from 'fast-check';
import { choice, contextQuery, uint32 } from './client.js';

/** What a client may say, as bytes that are sent in pieces; and how it ends. */
export interface Talk {
  readonly bytes: Buffer;
  /** Where it is cut into pieces, in bytes; the last one is where it ends altogether. */
  readonly cuts: readonly number[];
  /** `close` says that it is over, `destroy` vanishes, `deaf` vanishes without having read anything. */
  readonly end: 'close' | 'destroy' | 'deaf';
}

/** Bytes of the disk that is talked about. */
export const FUZZED_DISK_BYTES = 300_000;

const interesting = fc.oneof(
  fc.constantFrom(0, 1, 511, 4096, 65_536, 262_144, 2 ** 25, 2 ** 25 + 1, 2 ** 32 - 1),
  fc.constantFrom(FUZZED_DISK_BYTES - 1, FUZZED_DISK_BYTES, FUZZED_DISK_BYTES + 1),
  fc.nat(FUZZED_DISK_BYTES),
);

const name = fc.oneof(fc.constantFrom('', 'disk', 'memory', 'other'), fc.string({ maxLength: 20 }));

const optionData = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc
    .tuple(name, fc.array(fc.nat(5), { maxLength: 4 }))
    .map(([chosen, wanted]) => choice(chosen, wanted)),
  fc
    .tuple(name, fc.array(fc.constantFrom('base:allocation', 'qemu:', 'x'), { maxLength: 4 }))
    .map(([chosen, queries]) => contextQuery(chosen, queries)),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(Buffer.alloc(70_000)),
);

const option = fc
  .tuple(
    fc.oneof(fc.nat(12), fc.nat()),
    optionData,
    // Now and then it claims another length than it has.
    fc.option(interesting, { freq: 20, nil: undefined }),
  )
  .map(([number, data, length]) =>
    Buffer.concat([Buffer.from('IHAVEOPT'), uint32(number), uint32(length ?? data.length), data]),
  );

const request = fc
  .record({
    command: fc.oneof(fc.constantFrom(0, 1, 3, 4, 5, 6, 7), fc.nat(65_535)),
    flags: fc.oneof(fc.constant(0), fc.nat(31), fc.nat(65_535)),
    offset: interesting,
    offsetHigh: fc.oneof(
      { weight: 20, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.nat() },
    ),
    length: fc.oneof(interesting, fc.nat(70_000)),
    payloadLength: fc.option(fc.nat(70_000), { freq: 10, nil: undefined }),
  })
  .map(({ command, flags, offset, offsetHigh, length, payloadLength }) => {
    const header = Buffer.alloc(28);
    header.writeUInt32BE(0x25609513, 0);
    header.writeUInt16BE(flags, 4);
    header.writeUInt16BE(command, 6);
    header.writeUInt32BE(offsetHigh, 16);
    header.writeUInt32BE(offset >>> 0, 20);
    header.writeUInt32BE(length >>> 0, 24);
    const wanted = command === 1 ? length : 0;
    return Buffer.concat([
      header,
      Buffer.alloc(Math.min(payloadLength ?? wanted, 1_000_000), 0x42),
    ]);
  });

const greeting = fc
  .oneof({ weight: 20, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat() })
  .map(uint32);

const garbage = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

const structured = Buffer.concat([Buffer.from('IHAVEOPT'), uint32(8), uint32(0)]);
const contexts = contextQuery('', ['base:allocation', 'qemu:dirty-bitmap:overlay']);
const setContexts = Buffer.concat([
  Buffer.from('IHAVEOPT'),
  uint32(10),
  uint32(contexts.length),
  contexts,
]);
const go = Buffer.concat([
  Buffer.from('IHAVEOPT'),
  uint32(7),
  uint32(choice('').length),
  choice(''),
]);

const handshake = fc.oneof(
  fc.constantFrom(
    go,
    Buffer.concat([structured, go]),
    Buffer.concat([structured, setContexts, go]),
  ),
  fc.array(option, { maxLength: 6 }).map((parts) => Buffer.concat(parts)),
  fc.array(option, { maxLength: 3 }).map((parts) => Buffer.concat([...parts, structured, go])),
);

/** Talks that begin as they should and go wrong somewhere, or nowhere. */
export const talk: fc.Arbitrary<Talk> = fc
  .record({
    greeting,
    handshake,
    requests: fc.array(request, { maxLength: 8 }),
    garbage: fc.option(garbage, { freq: 3, nil: Buffer.alloc(0) }),
    isWhole: fc.boolean(),
    places: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }),
    end: fc.constantFrom('close', 'destroy', 'deaf'),
  })
  .map((parts) => {
    const bytes = Buffer.concat([
      parts.greeting,
      parts.handshake,
      ...parts.requests,
      parts.garbage,
    ]);
    const cuts = parts.places
      .map((place) => Math.floor(place * bytes.length))
      .sort((a, b) => a - b);
    if (parts.isWhole) cuts.push(bytes.length);
    return { bytes, cuts, end: parts.end as Talk['end'] };
  });
