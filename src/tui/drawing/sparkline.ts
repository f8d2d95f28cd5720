const BARS = '▁▂▃▄▅▆▇█';

/** The last values as bars of eighths, the highest of them as the full height; zero is the lowest bar. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const highest = Math.max(...shown, 0);
  const bars = shown.map((value) => {
    const share = highest === 0 ? 0 : value / highest;
    return BARS[Math.min(BARS.length - 1, Math.ceil(share * (BARS.length - 1)))] ?? '';
  });
  return bars.join('').padStart(width, BARS[0]);
}
