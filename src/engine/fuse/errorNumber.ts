import { constants } from 'node:os';

/** The number of an errno by its name; of EIO, where the system has none of that name. */
export function errorNumber(name: string): number {
  const { errno } = constants;
  return errno[name as keyof typeof errno] ?? errno.EIO;
}
