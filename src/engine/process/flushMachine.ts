import { spawnApart } from './spawnApart.js';

/**
 * Has the kernel write back all that it keeps, for a disk that is about to be taken from those who use it: what lies above
 * it (file systems of loop devices, volumes upon volumes, other mount namespaces, mapped pages) is more than anybody could
 * name. Resolves when that is done, or when it takes too long, and says nothing of how it went: it is the last thing that can be tried.
 *
 * Another process does it, because the disk itself has to answer meanwhile.
 */
export function flushMachine(limitMilliseconds: number): Promise<void> {
  const child = spawnApart('sync', [], ['ignore', 'ignore', 'ignore']);
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      resolve();
    };
    // It may be stuck in the kernel, where no signal reaches it: it is not waited for.
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.unref();
      finish();
    }, limitMilliseconds);
    child.on('error', finish);
    child.on('exit', finish);
  });
}
