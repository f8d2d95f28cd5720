import { formatBytes, formatOffset } from '../../../repl/rendering/values.js';

/** 49152 as "48 KiB", 1536 as "1.50 KiB". */
export const shortBytes = (bytes: number): string => formatBytes(bytes).replace('.00', '');

const UNITS = [
  { name: 's', seconds: 1 },
  { name: 'min', seconds: 60 },
  { name: 'h', seconds: 3600 },
  { name: 'd', seconds: 86_400 },
] as const;

/** How long something is ago, and in how many milliseconds it is to be said otherwise. */
export function ageText(milliseconds: number): { text: string; changesIn: number } {
  const elapsed = Math.max(0, milliseconds);
  const unit = UNITS.findLast(({ seconds }) => elapsed >= seconds * 1000) ?? UNITS[0];
  const unitMs = unit.seconds * 1000;
  const count = Math.floor(elapsed / unitMs);
  return { text: `${count} ${unit.name}`, changesIn: (count + 1) * unitMs - elapsed };
}

/** Columns that any offset of a disk has room in. */
export const offsetWidthOf = (diskLength: number): number => formatOffset(diskLength).length;
