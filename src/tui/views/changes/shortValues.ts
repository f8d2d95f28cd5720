import { formatOffset } from '../../../repl/rendering/values.js';

/** From what age on it is told in which steps; in seconds. */
const AGES = [
  { from: 0, step: 1, unit: 1, name: 's' },
  { from: 10, step: 5, unit: 1, name: 's' },
  { from: 60, step: 60, unit: 60, name: 'min' },
  { from: 3600, step: 3600, unit: 3600, name: 'h' },
  { from: 86_400, step: 86_400, unit: 86_400, name: 'd' },
] as const;

/**
 * How long something is ago, and in how many milliseconds it is to be said otherwise. Steps are those of the clock, so
 * that ages on a screen change together: each change is a paint.
 */
export function ageText(since: number, now: number): { text: string; changesIn: number } {
  const elapsed = Math.max(0, now - since) / 1000;
  const { step, unit, name } = AGES.findLast(({ from }) => elapsed >= from) ?? AGES[0];
  const stepMs = step * 1000;
  const steps = Math.floor(now / stepMs) - Math.floor(since / stepMs);
  const text = `${(Math.max(0, steps) * step) / unit} ${name}`;
  return { text, changesIn: stepMs - (now % stepMs) };
}

/** Columns that any offset of a disk has room in. */
export const offsetWidthOf = (diskLength: number): number => formatOffset(diskLength).length;
