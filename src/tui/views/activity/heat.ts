import type { StreamName } from '../../../repl/commands/definition.js';
import type { Style } from '../../drawing/theme.js';
import type { ActivityHistory } from './history.js';

/** How reads cool down: signs by age. */
const stages: readonly {
  readonly maxAgeMs: number;
  readonly sign: string;
  readonly style: Style;
}[] = [
  { maxAgeMs: 1000, sign: '█', style: 'hot' },
  { maxAgeMs: 4000, sign: '▓', style: 'warm' },
  { maxAgeMs: 10_000, sign: '▒', style: 'warm' },
  { maxAgeMs: 20_000, sign: '░', style: 'cold' },
];

/** After this time nothing is to be seen of a read. */
export const FADED_MS = stages.at(-1)?.maxAgeMs ?? 0;

/** How a cell with this heat looks. @param heat from 1 on */
export const stageOf = (heat: number): { readonly sign: string; readonly style: Style } =>
  stages[stages.length - heat] ?? { sign: '·', style: 'dim' };

const heatAt = (ageMs: number): number => {
  const stage = stages.findIndex(({ maxAgeMs }) => ageMs <= maxAgeMs);
  return stage === -1 ? 0 : stages.length - stage;
};

/**
 * Fills in how hot the cells of a stream are at a time: 0 for those that were not read for long.
 *
 * @param heats one for each cell of `cellBytes`
 */
export function fillHeat(
  heats: Uint8Array,
  cellBytes: number,
  history: ActivityHistory,
  stream: StreamName,
  time: number,
): void {
  heats.fill(0);
  for (const step of history.backFrom(time, time - FADED_MS)) {
    const touched = step.touched[stream];
    if (touched === undefined) continue;
    const heat = heatAt(time - step.time);
    const { read, cellBytes: touchedBytes } = touched;
    const scale = touchedBytes / cellBytes;
    for (let at = 0; at + 1 < read.length; at += 2) {
      const start = read[at] as number;
      const first = Math.floor(start * scale);
      const last = Math.ceil((start + (read[at + 1] as number)) * scale);
      for (let cell = first; cell < last && cell < heats.length; cell++) {
        // Steps come the newest first.
        if (heats[cell] === 0) heats[cell] = heat;
      }
    }
  }
}
