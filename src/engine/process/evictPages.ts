import { spawn } from 'node:child_process';
import { HexzError } from '../errors.js';

const LIMIT_MILLISECONDS = 20_000;
const MAX_COMPLAINT_LENGTH = 1000;

/**
 * Lets the kernel drop the pages that it keeps of a file of our mount: after the disk was changed beneath it, or for a test that
 * wants to see what reaches the mount. When it resolves, the next read of anybody reaches the mount, also by a
 * descriptor that was open before, also in the middle of reading from front to back. Not dropped are pages that are mapped or being written back: `checkDiskUnused` comes first. Nor are
 * those of a read that is under way; who changes the disk has answered it by then.
 *
 * A mount keeps its pages between opens (`kernel_cache`), so opening the file anew drops none. posix_fadvise(DONTNEED)
 * does, but it opens the file, and the thread that answers the mount would wait for itself: another process does it.
 * `dd iflag=nocache count=0` of coreutils is that one call, for the whole file (fadvise64(0, 0, 0, POSIX_FADV_DONTNEED), seen with strace). The
 * calling thread goes on answering meanwhile.
 *
 * @param path of the file in the mount
 * @throws HexzError EVICTION_FAILED; old bytes may be read then
 */
export function evictPages(path: string): Promise<void> {
  const child = spawn('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'], {
    // Not where we are: that may be in the mount.
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    if (complaint.length < MAX_COMPLAINT_LENGTH) complaint += text;
  });
  return new Promise((resolve, reject) => {
    const fail = (problem: string, cause?: unknown) => reject(failed(path, problem, cause));
    const timer = setTimeout(() => {
      // Not even a signal may end it, as long as the mount does not answer: it is not waited for.
      child.kill('SIGKILL');
      child.stderr.destroy();
      child.unref();
      fail('the mount does not answer');
    }, LIMIT_MILLISECONDS);
    child.on('error', (cause) => {
      clearTimeout(timer);
      fail(`dd cannot be run: ${cause.message}`, cause);
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      if (status === 0) resolve();
      else fail(complaint.trim().replace(/\s+/g, ' ') || `dd ended with status ${status}`);
    });
  });
}

const failed = (path: string, problem: string, cause: unknown): HexzError =>
  new HexzError('EVICTION_FAILED', `the kernel may still show old bytes: ${problem}`, {
    location: { file: path },
    hint: 'unmount, and mount again',
    cause,
  });
