import type {
  GivenParams,
  Item,
  MethodName,
  Result,
} from '../../../src/engine/control/protocol/methods.js';
import { methods } from '../../../src/engine/control/protocol/methods.js';
import { HexzError } from '../../../src/engine/errors.js';
import type { EngineClient } from '../../../src/repl/client.js';

/** What a method answers; of those that yield, batches of items, and the result behind them. */
export type FakeMethods = {
  readonly [Name in MethodName]?: (
    params: GivenParams<Name>,
    signal: AbortSignal | undefined,
  ) =>
    | Result<Name>
    | Promise<Result<Name>>
    | {
        readonly batches: AsyncIterable<Item<Name>[]> | Iterable<Item<Name>[]>;
        readonly result: Result<Name>;
      };
};

export interface FakeEngine extends EngineClient {
  /** What was asked for. */
  readonly requests: { readonly method: MethodName; readonly params: unknown }[];
}

/** An engine that answers what a test says, to requests that the protocol allows. */
export function fakeEngine(
  answers: FakeMethods,
  closed: Promise<void> = new Promise(() => {}),
): FakeEngine {
  const requests: FakeEngine['requests'] = [];
  const answer = <Name extends MethodName>(
    method: Name,
    params: GivenParams<Name>,
    signal?: AbortSignal,
  ) => {
    methods[method].params.parse(params);
    requests.push({ method, params });
    const answering = answers[method];
    if (answering === undefined) throw new HexzError('INTERNAL', `the fake has no ${method}`);
    if (signal?.aborted === true) throw new HexzError('CANCELLED', 'cancelled');
    return answering(params, signal);
  };
  return {
    pid: 1,
    closed,
    requests,
    request: async (method, params, options) =>
      (await answer(method, params, options?.signal)) as Result<typeof method>,
    stream(method, params, options) {
      let ended: (result: Result<typeof method>) => void = () => {};
      const result = new Promise<Result<typeof method>>((resolve) => {
        ended = resolve;
      });
      return {
        result,
        cancel: () => {},
        async *batches() {
          const given = answer(method, params, options?.signal);
          if (!(typeof given === 'object' && given !== null && 'batches' in given)) {
            throw new HexzError('INTERNAL', `${method} yields nothing`);
          }
          yield* given.batches as AsyncIterable<Item<typeof method>[]>;
          ended(given.result as Result<typeof method>);
        },
      };
    },
  };
}

const DISK_BYTES = 64 * 1024;
/** Every page begins with `page N`, and the third is zeros. */
function diskBytes(): Buffer {
  const disk = Buffer.alloc(DISK_BYTES);
  for (let page = 0; page < DISK_BYTES / 4096; page++) {
    if (page !== 2)
      disk.fill(page, page * 4096, (page + 1) * 4096).write(`page ${page}`, page * 4096);
  }
  return disk;
}

/** Methods that read a disk, and a memory that is a container: addresses are 0x1000 behind the stream's offsets. */
export function readingMethods(): Required<Pick<FakeMethods, 'read' | 'state' | 'hash' | 'dirty'>> {
  const disk = diskBytes();
  return {
    read({ stream, offset, length, addressing = 'guest' }) {
      const isGuest = stream === 'memory' && addressing === 'guest';
      const endOffset = isGuest ? DISK_BYTES + 0x1000 : DISK_BYTES;
      const end = Math.min(offset + length, endOffset);
      const start = Math.max(offset, isGuest ? 0x1000 : 0);
      const at = isGuest ? start - 0x1000 : start;
      const bytes = disk.subarray(at, at + Math.max(0, end - start));
      const piece = { offset: start, length: bytes.length, bytes: bytes.toString('base64') };
      return {
        offset,
        length: Math.max(0, end - offset),
        endOffset,
        pieces: bytes.length === 0 ? [] : [isGuest ? { ...piece, streamOffset: at } : piece],
      };
    },
    hash: ({ offset = 0, length = 0 }) => ({ offset, length, sha256: 'ab'.repeat(32) }),
    dirty: ({ fromPage = 0 }) => ({
      extents: [
        { pageIndex: 1, pageCount: 1 },
        { pageIndex: 4, pageCount: 3 },
      ].filter(({ pageIndex, pageCount }) => pageIndex + pageCount > fromPage),
      nextPage: null,
      dirtyPages: 4,
      diskLength: DISK_BYTES,
    }),
    state: () => ({
      pid: 4711,
      version: '0.1.0',
      startedAt: '2026-01-02T03:04:05.000Z',
      snapshot: {
        path: '/images/web-01.hxz',
        fileBytes: 20_000,
        compression: 'lz4',
        blockBytes: 16_384,
        isVariable: false,
        isEncrypted: false,
        parents: [],
        streams: { disk: { length: DISK_BYTES } },
      },
      mount: { mountpoint: '/mnt/web-01', backend: 'kernel', mode: 'rw', device: null },
      nbd: [],
      overlay: {
        path: '/images/web-01.overlay',
        isTemporary: false,
        isWritable: true,
        diskLength: DISK_BYTES,
        dirtyPages: 4,
        dirtyBytes: 16_384,
      },
      files: ['/images/web-01.hxz', '/images/web-01.overlay'],
      cacheBytes: 256 * 1024 * 1024,
      lease: 'mount',
      watchers: 1,
      isQuiesced: false,
      reviewRevision: 0,
      warnings: [],
    }),
  };
}
