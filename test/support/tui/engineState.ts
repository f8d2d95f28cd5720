import type { EngineState } from '../../../src/engine/control/protocol/engineState.js';

/** An engine without mount and overlay, of streams of these lengths in blocks of 64 KiB. */
export const engineStateOf = (lengths: {
  readonly disk?: number;
  readonly memory?: number;
}): EngineState => ({
  pid: 4711,
  version: '0.0.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  snapshot: {
    path: '/served/web.hxz',
    fileBytes: 1_000_000,
    compression: 'lz4',
    blockBytes: 65_536,
    isVariable: false,
    isEncrypted: false,
    parents: [],
    streams: Object.fromEntries(
      Object.entries(lengths).map(([name, length]) => [name, { length }]),
    ),
  },
  mount: null,
  nbd: [],
  overlay: null,
  files: ['/served/web.hxz'],
  cacheBytes: 0,
  lease: 'bound',
  watchers: 1,
  isQuiesced: false,
  reviewRevision: 0,
  warnings: [],
});
