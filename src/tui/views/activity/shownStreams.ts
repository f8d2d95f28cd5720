import type { EngineState } from '../../../engine/control/protocol/engineState.js';
import type { EngineClient } from '../../../repl/client.js';
import type { StreamName } from '../../../repl/commands/definition.js';
import { GridFetcher, type Telling } from './gridFetcher.js';
import { StreamGrid } from './streamGrid.js';

/** What is known of a stream, and who asks for it. */
export interface ShownStream {
  readonly grid: StreamGrid;
  readonly fetcher: GridFetcher;
  /** Memory for how hot its cells are. */
  readonly heats: Uint8Array;
}

/** The streams that were shown: each made when it is first shown, and anew when it is not as long as it was. */
export class ShownStreams {
  readonly #client: EngineClient;
  readonly #telling: Telling;
  readonly #streams = new Map<StreamName, ShownStream>();

  constructor(client: EngineClient, telling: Telling) {
    this.#client = client;
    this.#telling = telling;
  }

  of(stream: StreamName, { snapshot, overlay }: EngineState): ShownStream {
    const snapshotLength = snapshot.streams[stream]?.length ?? 0;
    const length = stream === 'disk' ? (overlay?.diskLength ?? snapshotLength) : snapshotLength;
    const known = this.#streams.get(stream);
    if (known?.grid.covers(length) === true) return known;
    known?.fetcher.stop();
    const grid = new StreamGrid(stream, length, snapshot.blockBytes);
    const fetcher = new GridFetcher(this.#client, grid, this.#telling);
    const shown = { grid, fetcher, heats: new Uint8Array(grid.cellCount) };
    this.#streams.set(stream, shown);
    return shown;
  }

  /** Something was read or written. */
  invalidate(): void {
    for (const { fetcher } of this.#streams.values()) fetcher.invalidate();
  }
}
