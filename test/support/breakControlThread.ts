/**
 * Options of Node (`NODE_OPTIONS`) for an engine whose control thread meets a bug when a file appears.
 *
 * @param trigger path of the file; it is gone when the bug is met, so that the next thread meets none
 */
export function breakControlThread(trigger: string): string {
  const path = JSON.stringify(trigger);
  const code = `
    import { existsSync, unlinkSync } from 'node:fs';
    import { isMainThread, workerData } from 'node:worker_threads';
    if (!isMainThread && workerData?.socketPath !== undefined) {
      const timer = setInterval(() => {
        if (!existsSync(${path})) return;
        unlinkSync(${path});
        throw new Error('a bug');
      }, 20);
      timer.unref();
    }
  `;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}
