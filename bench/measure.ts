/** Runs an action several times, after one run that warms up, and returns the seconds of each run. */
export function time(action: () => void, runs = 5): number[] {
  action();
  return Array.from({ length: runs }, () => {
    const start = performance.now();
    action();
    return (performance.now() - start) / 1000;
  });
}

/**
 * Runs every action in turns, one round to warm up first, and returns the processor time in seconds of each round: the
 * machine may be doing other things, and drifts.
 */
export function inTurns(
  actions: Readonly<Record<string, () => void>>,
  rounds = 7,
): Map<string, number[]> {
  const seconds = new Map(Object.keys(actions).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, action] of Object.entries(actions)) {
      const before = process.cpuUsage();
      action();
      const { user, system } = process.cpuUsage(before);
      if (round > 0) seconds.get(name)?.push((user + system) / 1e6);
    }
  }
  return seconds;
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

/** Prints rows under a heading row; the first column is to the left. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    process.stdout.write(`  ${cells.join('  ')}\n`);
  }
}
