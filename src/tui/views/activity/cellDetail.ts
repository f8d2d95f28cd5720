import { errorOf } from '../../../engine/control/client.js';
import type { Block, ListedBlock } from '../../../engine/control/protocol/inspection.js';
import type { HexzError } from '../../../engine/errors.js';
import type { EngineClient } from '../../../repl/client.js';
import type { StreamName } from '../../../repl/commands/definition.js';

const LISTED_AT_ONCE = 256;
/** Of a cell with more blocks, the rest is not listed. */
const MAX_LISTED = 8192;
/** How near the end of what is known a person comes before more is asked for. */
const AHEAD = 64;

interface Telling {
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  readonly met: (error: HexzError) => void;
}

/**
 * The blocks of a stretch of a stream, and why the selected one is as it is.
 *
 * State: `blocks` are those from the beginning on that are known; `nextOffset` is where to ask for more, null at the
 * end. `why` is of the selected block, or undefined until the engine has told. `close` ends all requests.
 */
export class CellDetail {
  readonly stream: StreamName;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly blocks: ListedBlock[] = [];
  nextOffset: number | null;
  selected = 0;
  why: Block | undefined;
  readonly #client: EngineClient;
  readonly #telling: Telling;
  readonly #closing = new AbortController();
  #explaining: AbortController | undefined;
  #isListing = false;

  constructor(
    client: EngineClient,
    { stream, startOffset, endOffset }: Pick<CellDetail, 'stream' | 'startOffset' | 'endOffset'>,
    telling: Telling,
  ) {
    this.#client = client;
    this.#telling = telling;
    this.stream = stream;
    this.startOffset = startOffset;
    this.endOffset = endOffset;
    this.nextOffset = startOffset;
    void this.#list();
  }

  get isCut(): boolean {
    return this.nextOffset !== null && this.blocks.length >= MAX_LISTED;
  }

  close(): void {
    this.#closing.abort();
    this.#explaining?.abort();
  }

  select(index: number): void {
    const selected = Math.max(0, Math.min(index, this.blocks.length - 1));
    if (this.blocks.length - selected < AHEAD) void this.#list();
    if (selected === this.selected) return;
    this.selected = selected;
    this.why = undefined;
    void this.#explain();
  }

  /** Asks once more for what may not be as it was: cached or not, dirty pages, readers. */
  refresh(): void {
    if (this.why !== undefined) void this.#explain();
  }

  async #list(): Promise<void> {
    if (this.#isListing) return;
    this.#isListing = true;
    const { signal } = this.#closing;
    try {
      const isFirst = this.blocks.length === 0;
      await this.#listSome(signal);
      if (isFirst) void this.#explain();
      this.#telling.changed();
    } catch (error) {
      if (!signal.aborted) this.#telling.failed(error);
    } finally {
      this.#isListing = false;
    }
  }

  async #listSome(signal: AbortSignal): Promise<void> {
    if (this.nextOffset === null || this.isCut) return;
    const { stream, endOffset } = this;
    const params = { stream, offset: this.nextOffset, limit: LISTED_AT_ONCE };
    const { blocks, nextOffset } = await this.#client.request('blocks', params, { signal });
    this.blocks.push(...blocks.filter(({ offset }) => offset < endOffset));
    this.nextOffset = nextOffset !== null && nextOffset < endOffset ? nextOffset : null;
  }

  /** First what is known at once, then what takes a look through the whole index. */
  async #explain(): Promise<void> {
    const block = this.blocks[this.selected];
    if (block === undefined) return;
    const isNew = this.why?.offset !== block.offset;
    if (isNew) this.#explaining?.abort();
    const explaining = isNew ? new AbortController() : (this.#explaining ?? new AbortController());
    this.#explaining = explaining;
    const { signal } = explaining;
    const place = { stream: this.stream, offset: block.offset, checks: true };
    try {
      const found = await this.#client.request('block', place, { signal });
      if (signal.aborted) return;
      if (found.damage !== null) this.#telling.met(errorOf(found.damage));
      const { sharedBy = null, sharedAt = [] } = this.why ?? {};
      this.why = { ...found, sharedBy, sharedAt };
      this.#telling.changed();
      if (!isNew || found.storedOffset === null) return;
      const whole = { ...place, findsShared: true };
      const shared = await this.#client.request('block', whole, { signal });
      if (signal.aborted) return;
      this.why = shared;
      this.#telling.changed();
    } catch (error) {
      if (!signal.aborted) this.#telling.failed(error);
    }
  }
}
