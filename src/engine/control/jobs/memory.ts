import { identifyKernel } from '../../../forensics/memory/banner.js';
import { MAX_LISTED, type Params, type Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';
import type { JobProgress } from './output.js';

/** Answers `memory`. */
export function memory(
  context: JobContext,
  _params: Params<'memory'>,
  output: JobProgress,
): Result<'memory'> {
  const guest = context.memory(output);
  const steps = identifyKernel(guest);
  let step = steps.next();
  while (step.done !== true) {
    output.progress({ phase: 'look for the kernel', ...step.value });
    step = steps.next();
  }
  const { banner, vmcoreinfo, warnings } = step.value;
  const { architecture, machine, cpuCount } = guest.metadata;
  const properties = {
    architecture,
    machine,
    processors: cpuCount?.toString(),
    release: vmcoreinfo?.release ?? banner?.release,
  };
  return {
    container: guest.container,
    ranges: guest.ranges.slice(0, MAX_LISTED).map(({ startAddress, length, backing }) => ({
      startOffset: startAddress,
      length,
      name: backing,
    })),
    furtherRanges: Math.max(0, guest.ranges.length - MAX_LISTED),
    banner: banner === undefined ? null : { offset: banner.address, text: banner.text },
    properties: Object.fromEntries(
      Object.entries(properties).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    ),
    warnings: [...guest.warnings, ...warnings],
  };
}
