import { HexzError } from '../errors.js';
import type { ToolResult } from '../nbd/kernelClient.js';
import { findProgram } from '../programs.js';
import { describeSystemError } from '../systemErrors.js';
import { runTool } from './systemTool.js';

/** Users seldom have them in PATH. */
export const ADMINISTRATOR_DIRECTORIES = ['/usr/sbin', '/sbin'] as const;
const LIMIT_MILLISECONDS = 30_000;
/** Debian's names. */
const packages: Readonly<Record<string, string>> = {
  'nbd-client': 'nbd-client',
  modprobe: 'kmod',
  mount: 'mount',
  umount: 'mount',
  sudo: 'sudo',
};

/**
 * Runs a program of the system with the rights of root: through sudo, which must not ask, if this process has not got them.
 *
 * @param program its name, or an absolute path
 * @throws HexzError NBD_UNAVAILABLE if it cannot be run, or not as root
 */
export async function runAsRoot(
  program: string,
  parameters: readonly string[],
  limitMilliseconds: number = LIMIT_MILLISECONDS,
): Promise<ToolResult> {
  const path = findTool(program);
  if (isRoot()) return start(path, parameters, limitMilliseconds);
  const sudo = findTool('sudo');
  const result = await start(sudo, ['-n', '--', path, ...parameters], limitMilliseconds);
  if (result.status === 0 || !/^sudo: /.test(result.complaint)) return result;
  throw new HexzError('NBD_UNAVAILABLE', `only root may run ${program}: ${result.complaint}`, {
    hint: 'run hexz as root, or sudo -v before it',
  });
}

/**
 * Where a program is.
 *
 * @throws HexzError NBD_UNAVAILABLE
 */
export function findTool(name: string): string {
  const path = name.startsWith('/') ? name : findProgram(name, ADMINISTRATOR_DIRECTORIES);
  if (path !== undefined) return path;
  if (name === 'sudo') {
    const message = 'only root can attach devices, and sudo is not installed';
    throw new HexzError('NBD_UNAVAILABLE', message, { hint: 'run hexz as root' });
  }
  throw new HexzError('NBD_UNAVAILABLE', `${name} is not installed`, {
    hint: `apt install ${packages[name] ?? 'util-linux'}`,
  });
}

export const isRoot = (): boolean => process.geteuid?.() === 0;

async function start(
  path: string,
  parameters: readonly string[],
  limitMilliseconds: number,
): Promise<ToolResult> {
  try {
    return await runTool(path, parameters, limitMilliseconds);
  } catch (cause) {
    const problem = describeSystemError(cause);
    throw new HexzError('NBD_UNAVAILABLE', `cannot start ${path}: ${problem}`, { cause });
  }
}
