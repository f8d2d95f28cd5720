import type { HexzError } from '../../engine/errors.js';
import type { StreamName } from '../../repl/commands/definition.js';
import { formatOffset } from '../../repl/rendering/values.js';

/** Of damage all over a large disk, so much is enough to see that. */
const MAX_BLOCKS = 4096;

/** A block that cannot be read. */
interface DamagedBlock {
  readonly offset: number;
  readonly error: HexzError;
}

/** The blocks that somebody could not read, each once, whoever has told of it. */
export class DamagedBlocks {
  readonly #known = new Set<string>();
  readonly #blocks: Record<StreamName, DamagedBlock[]> = { disk: [], memory: [] };

  /** Answers whether it is news; undefined for an error that is of no block. */
  add(error: HexzError): boolean | undefined {
    const { stream, offset, file = '' } = error.location;
    if (stream === undefined || offset === undefined) return undefined;
    const place = `${stream} ${offset} ${file}`;
    if (this.#known.has(place) || this.#known.size >= MAX_BLOCKS) return false;
    this.#known.add(place);
    this.#blocks[stream].push({ offset, error });
    return true;
  }

  of(stream: StreamName): readonly DamagedBlock[] {
    return this.#blocks[stream];
  }

  /** One that begins in a stretch of a stream. */
  within(stream: StreamName, startOffset: number, endOffset: number): HexzError | undefined {
    return this.#blocks[stream].find(({ offset }) => offset >= startOffset && offset < endOffset)
      ?.error;
  }
}

/** An error in one line that begins with the reason: where it has to be cut, the path is lost. */
export function reasonFirst({ message, hint, location }: HexzError): string {
  const { file, line, column, stream, blockIndex, offset } = location;
  const place = [
    stream,
    blockIndex === undefined ? undefined : `block ${blockIndex}`,
    offset === undefined ? undefined : `offset ${formatOffset(offset)}`,
  ].filter((part) => part !== undefined);
  const spot = line === undefined ? file : [file, line, column].join(':');
  return [message, hint, place.join(', '), spot].filter((part) => part).join('; ');
}
