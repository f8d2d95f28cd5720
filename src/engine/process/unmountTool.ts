import { HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { spawnApart } from './spawnApart.js';

interface Tool {
  readonly program: string;
  readonly options: readonly string[];
  readonly lazyOptions: readonly string[];
}

const TIMEOUT_MILLISECONDS = 10_000;

/** Root needs no helper. Both options keep umount from asking the mount for anything, so that it cannot hang. */
const rootTools: readonly Tool[] = [
  { program: 'umount', options: ['--internal-only', '--no-canonicalize'], lazyOptions: ['--lazy'] },
];
const userTools: readonly Tool[] = ['fusermount3', 'fusermount'].map((program) => ({
  program,
  options: ['-u'],
  lazyOptions: ['-z'],
}));

/**
 * Asks the kernel to unmount what is topmost at a path; answers what the tool complains of, or undefined when
 * it is done.
 *
 * @throws HexzError UNMOUNT_FAILED if there is no tool
 */
export async function runUnmountTool(
  mountpoint: string,
  isLazy: boolean,
): Promise<string | undefined> {
  const isRoot = process.getuid?.() === 0;
  for (const { program, options, lazyOptions } of isRoot ? rootTools : userTools) {
    const parameters = [...options, ...(isLazy ? lazyOptions : []), '--', mountpoint];
    try {
      return await run(program, parameters);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      const problem = describeSystemError(cause);
      throw failed(mountpoint, `cannot start ${program}: ${problem}`, { cause });
    }
  }
  const [name, hint] = isRoot
    ? ['umount', 'apt install mount']
    : ['fusermount', 'apt install fuse3'];
  throw failed(mountpoint, `${name} is not installed`, { hint });
}

function run(program: string, parameters: readonly string[]): Promise<string | undefined> {
  const child = spawnApart(program, parameters, ['ignore', 'ignore', 'pipe']);
  const complaints: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => complaints.push(chunk));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // It may be stuck in the kernel, where no signal reaches it: it is not waited for.
      child.kill('SIGKILL');
      child.stderr?.destroy();
      child.unref();
      resolve(`${program} does not come to an end`);
    }, TIMEOUT_MILLISECONDS);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      const message = Buffer.concat(complaints).toString().trim().replace(/\s+/g, ' ');
      resolve(status === 0 ? undefined : message || `${program} ended with status ${status}`);
    });
  });
}

const failed = (
  mountpoint: string,
  message: string,
  options: { hint?: string; cause?: unknown },
): HexzError =>
  new HexzError('UNMOUNT_FAILED', message, { location: { file: mountpoint }, ...options });
