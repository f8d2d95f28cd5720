import type { Writable } from 'node:stream';
import type { Pieces } from './rendering/rendering.js';

/** Where text goes. */
export interface Output {
  /** A promise where the caller has to wait before he goes on. */
  write(text: string): Promise<void> | undefined;
}

/** A stream of Node, which is not written faster than it takes. */
export function streamOutput(stream: Writable): Output {
  return {
    write(text) {
      if (text === '' || stream.destroyed || stream.write(text)) return undefined;
      return new Promise((resolve) => {
        const end = (): void => {
          stream.removeListener('drain', end);
          stream.removeListener('close', end);
          resolve();
        };
        stream.on('drain', end);
        stream.on('close', end);
      });
    },
  };
}

export async function writeAll(output: Output, pieces: Pieces): Promise<void> {
  for await (const piece of pieces) await output.write(piece);
}
