import type { EngineState } from '../../engine/control/protocol/engineState.js';
import type { StreamName } from '../../repl/commands/definition.js';
import { formatBytes } from '../../repl/rendering/values.js';

/** Why a stream has no bytes. */
export function emptyText(stream: StreamName, { snapshot }: EngineState): string {
  const length = snapshot.streams[stream]?.length;
  if (length === undefined) {
    return `This snapshot has no ${stream}. One that has is made by\n  hexz pack --${stream} FILE -o SNAPSHOT`;
  }
  const before = length > 0 ? ` It was cut: the snapshot has ${formatBytes(length)} of it.` : '';
  return `The ${stream} is empty: it has 0 bytes.${before}`;
}
