import { errorTable } from '../engine/errors.js';
import { type Check, canMount, checkMachine } from '../engine/process/doctor.js';
import type { MachineOptions } from './arguments.js';
import { printable, printJson } from './output.js';

/** `hexz doctor [--json]`; answers with the exit status. */
export function doctor(options: MachineOptions): number {
  const checks = checkMachine();
  if (options.json === true) printJson({ canMount: canMount(checks), checks });
  else process.stdout.write(`${toText(checks)}\n`);
  return canMount(checks) ? 0 : errorTable.FUSE_UNAVAILABLE.exitStatus;
}

function toText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, state, detail, remedy }) => {
    const label = `${state.padEnd('warning'.length)}  ${name.padEnd(width)}`;
    const line = `${label}  ${printable(detail)}`;
    if (remedy === undefined) return [line];
    return [line, `${' '.repeat(label.length)}  -> ${printable(remedy)}`];
  });
  const verdict = canMount(checks) ? 'Mounting with FUSE can work.' : 'FUSE mounts cannot work.';
  return [...lines, '', verdict].join('\n');
}
