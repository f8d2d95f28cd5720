import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { HexzError } from '../errors.js';
import { spawnApart } from './spawnApart.js';

const LIMIT_MILLISECONDS = 20_000;
const MAX_COMPLAINT_LENGTH = 1000;

/** For each line that comes it drops the pages of a file, and answers with the status of that and what was said. */
const PROGRAM = `while read -r _; do
  complaint=$(dd if="$1" iflag=nocache count=0 status=none 2>&1)
  printf '%s\\0%s\\0' "$?" "$complaint"
done`;

type Dropper = ChildProcessByStdio<Writable, Readable, null>;

interface Waiting {
  readonly resolve: () => void;
  readonly fail: (problem: string, cause?: unknown) => void;
}

/**
 * Lets the kernel drop the pages that it keeps of a file of our mount: after the disk was changed beneath it, or for a test that
 * wants to see what reaches the mount.
 *
 * A mount keeps its pages between opens (`kernel_cache`), so opening the file anew drops none. posix_fadvise(DONTNEED)
 * does, but it opens the file, and the thread that answers the mount would wait for itself: another process does it.
 * `dd iflag=nocache count=0` of coreutils is that one call, for the whole file (fadvise64(0, 0, 0, POSIX_FADV_DONTNEED), seen with strace).
 *
 * Starting a process holds up the thread that does it, until the new one has been given a core: a tenth of a second, where all
 * are busy. So it is a shell that starts them, once there is one.
 *
 *   state    begins with                                what there is
 *   idle     made, `close`, the end of the shell        no shell
 *   started  the first `evict`                          a shell, which ends when its input does, also by our death
 *
 * Invariant: of a shell there come as many answers as lines were written, in their order; `#waiting` has who waits for them.
 */
export class PageEvictor {
  /** Of the file in the mount. */
  readonly path: string;
  #dropper: Dropper | undefined;
  #waiting: Waiting[] = [];

  constructor(path: string) {
    this.path = path;
  }

  /**
   * When it resolves, the next read of anybody reaches the mount, also by a descriptor that was open before, also in
   * the middle of reading from front to back. Not dropped are pages that are mapped or being written back:
   * `checkDiskUnused` comes first. Nor are those of a read that is under way; who changes the disk has answered it by then.
   * The calling thread goes on answering meanwhile.
   *
   * @throws HexzError EVICTION_FAILED; old bytes may be read then
   */
  evict(): Promise<void> {
    const dropper = this.#dropper ?? this.#start();
    return new Promise((resolve, reject) => {
      // Not even a signal may end it, as long as the mount does not answer: it is not waited for.
      const timer = setTimeout(() => this.#end('the mount does not answer'), LIMIT_MILLISECONDS);
      this.#waiting.push({
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        fail: (problem, cause) => {
          clearTimeout(timer);
          reject(failed(this.path, problem, cause));
        },
      });
      dropper.stdin.write('\n');
    });
  }

  /** What is asked for and not done fails. */
  close(): void {
    this.#end('it was given up');
  }

  #start(): Dropper {
    const dropper = spawnApart(
      'sh',
      ['-c', PROGRAM, 'sh', this.path],
      ['pipe', 'pipe', 'ignore'],
    ) as Dropper;
    this.#dropper = dropper;
    const fail = (problem: string, cause?: unknown): void => {
      if (this.#dropper === dropper) this.#end(problem, cause);
    };
    dropper.on('error', (cause) => fail(`sh cannot be run: ${cause.message}`, cause));
    dropper.on('close', (status) => fail(`sh ended with status ${status}`));
    dropper.stdin.on('error', (cause) => fail(`sh has ended: ${cause.message}`, cause));
    let text = '';
    dropper.stdout.setEncoding('utf8').on('data', (more: string) => {
      const fields = (text + more).split('\0');
      while (fields.length > 2) {
        const [status = '', complaint = ''] = fields.splice(0, 2);
        if (this.#dropper === dropper) this.#answered(status, complaint);
      }
      text = fields.join('\0');
    });
    return dropper;
  }

  #answered(status: string, complaint: string): void {
    const waiting = this.#waiting.shift();
    if (status === '0') waiting?.resolve();
    else {
      const words = complaint.slice(0, MAX_COMPLAINT_LENGTH).trim().replace(/\s+/g, ' ');
      waiting?.fail(words || `dd ended with status ${status}`);
    }
  }

  #end(problem: string, cause?: unknown): void {
    const dropper = this.#dropper;
    const waiting = this.#waiting;
    this.#dropper = undefined;
    this.#waiting = [];
    dropper?.stdin.destroy();
    dropper?.stdout.destroy();
    dropper?.unref();
    for (const { fail } of waiting) fail(problem, cause);
  }
}

/**
 * Drops the pages of a file once, as `PageEvictor.evict`.
 *
 * @throws HexzError EVICTION_FAILED
 */
export async function evictPages(path: string): Promise<void> {
  const evictor = new PageEvictor(path);
  try {
    await evictor.evict();
  } finally {
    evictor.close();
  }
}

const failed = (path: string, problem: string, cause: unknown): HexzError =>
  new HexzError('EVICTION_FAILED', `the kernel may still show old bytes: ${problem}`, {
    location: { file: path },
    hint: 'unmount, and mount again',
    cause,
  });
