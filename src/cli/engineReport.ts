import type { HexzError } from '../engine/errors.js';
import type { EngineEntry } from '../engine/process/registry.js';
import type { EngineLog } from '../engine/process/serve.js';
import { printable, reportError } from './output.js';

/** What commands say of an engine that they have started. */

export const say = (text: string): void => {
  process.stdout.write(`${printable(text)}\n`);
};

export const warn = (text: string): void => {
  process.stderr.write(`hexz: warning: ${printable(text)}\n`);
};

export const foregroundLog: EngineLog = {
  info: (text) => process.stderr.write(`hexz: ${printable(text)}\n`),
  warning: warn,
  error: (error: HexzError) => reportError(error, undefined),
};

/** "(read-write, overlay /srv/changes, from /dev/nbd0)" */
export function describeMode({ mode, overlay, isTemporaryOverlay, device }: EngineEntry): string {
  const overlayText = isTemporaryOverlay ? 'a temporary overlay' : `overlay ${overlay}`;
  const way = mode === 'ro' ? 'read-only' : 'read-write';
  const details = [
    way,
    ...(overlay === null ? [] : [overlayText]),
    ...(device === null ? [] : [`from ${device.path}`]),
  ];
  return `(${details.join(', ')})`;
}
