import { readFileSync } from 'node:fs';

let knownBootId: string | undefined;

/** Changes with every start of the machine. */
export function machineBootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return knownBootId;
}
