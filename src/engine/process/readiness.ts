import { spawn } from 'node:child_process';
import { HexzError } from '../errors.js';

const LIMIT_MILLISECONDS = 20_000;

/**
 * A process that reads a byte of a mount, to find out whether it answers.
 *
 * It is another process, because one that waits for its own answer cannot be killed. And it is started before
 * the mount is made: libfuse lets programs inherit its /dev/fuse, and as long as anybody has that open, the
 * kernel believes that the mount is served.
 *
 *   waiting  until `read` tells it to
 *   reading  for LIMIT_MILLISECONDS at most
 *   ended    after either, or `cancel`
 */
export class TestReader {
  readonly #path: string;
  readonly #process;
  readonly #ended: Promise<number | null>;
  #complaint = '';

  constructor(path: string) {
    this.#path = path;
    this.#process = spawn('sh', ['-c', 'read -r go && exec head -c 1 -- "$0"', path], {
      cwd: '/',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#process.stderr.on('data', (text: Buffer) => {
      this.#complaint += text;
    });
    // Gone already; how it ended tells the rest.
    this.#process.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      this.#process.once('error', ({ message }) => {
        this.#complaint = message;
        resolve(-1);
      });
      this.#process.once('close', resolve);
    });
  }

  /**
   * Resolves when the mount has answered; that a block is damaged is an answer, too.
   *
   * @throws HexzError MOUNT_FAILED
   */
  async read(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), LIMIT_MILLISECONDS);
    });
    this.#process.stdin.end('go\n');
    // Not even a signal may end it, as long as the mount does not answer.
    const status = await Promise.race([this.#ended, limit]);
    clearTimeout(timer);
    this.cancel();
    if (status === 0 || /input\/output error/i.test(this.#complaint)) return;
    const problem = status === null ? 'got no answer' : `failed: ${this.#complaint.trim()}`;
    throw new HexzError('MOUNT_FAILED', `the mount is there, but a first read ${problem}`, {
      location: { file: this.#path },
    });
  }

  cancel(): void {
    this.#process.kill('SIGKILL');
  }
}
