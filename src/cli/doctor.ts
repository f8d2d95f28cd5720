import { errorTable } from '../engine/errors.js';
import { checkMachine, type Diagnosis } from '../engine/process/doctor.js';
import type { MachineOptions } from './arguments.js';
import { printable, printJson } from './output.js';

/** `hexz doctor [--json]`; answers with the exit status. */
export function doctor(options: MachineOptions): number {
  const diagnosis = checkMachine();
  if (options.json === true) printJson(diagnosis);
  else process.stdout.write(`${toText(diagnosis)}\n`);
  return diagnosis.canMount ? 0 : errorTable.FUSE_UNAVAILABLE.exitStatus;
}

function toText({ canMount, checks }: Diagnosis): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, state, detail, remedy }) => {
    const label = `${state.padEnd('warning'.length)}  ${name.padEnd(width)}`;
    const line = `${label}  ${printable(detail)}`;
    if (remedy === undefined || state === 'ok') return [line];
    return [line, `${' '.repeat(label.length)}  -> ${printable(remedy)}`];
  });
  const verdict = canMount ? 'Mounting with FUSE can work.' : 'FUSE mounts cannot work.';
  return [...lines, '', verdict].join('\n');
}
