/** Runs an action several times, after one run that warms up, and returns the seconds of each run. */
export function time(action: () => void, runs = 5): number[] {
  action();
  return Array.from({ length: runs }, () => {
    const start = performance.now();
    action();
    return (performance.now() - start) / 1000;
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Peak resident memory of this process so far, in MiB. */
export function peakMebibytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}

export function print(rows: readonly (readonly [string, string])[]): void {
  const width = Math.max(...rows.map(([label]) => label.length));
  for (const [label, value] of rows) process.stdout.write(`  ${label.padEnd(width)}  ${value}\n`);
}
