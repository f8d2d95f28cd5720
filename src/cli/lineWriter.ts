const CHUNK_CHARACTERS = 64 * 1024;

/**
 * Prints many lines on standard output: in large pieces (a terminal gets each at once), and no faster than they
 * are taken.
 *
 * State: `#pending` is what was not handed to the system yet.
 */
export class LineWriter {
  #pending: string[] = [];
  #pendingCharacters = 0;

  /** A promise where the caller has to wait before he goes on. */
  write(line: string): Promise<void> | undefined {
    this.#pending.push(line, '\n');
    this.#pendingCharacters += line.length + 1;
    if (this.#pendingCharacters < CHUNK_CHARACTERS && !process.stdout.isTTY) return undefined;
    return this.flush();
  }

  /** The same for everything that was written so far. */
  flush(): Promise<void> | undefined {
    if (this.#pending.length === 0) return undefined;
    const text = this.#pending.join('');
    this.#pending = [];
    this.#pendingCharacters = 0;
    if (process.stdout.write(text)) return undefined;
    return new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}
