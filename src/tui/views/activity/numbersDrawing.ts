import { formatBytes, formatCount } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import type { Size } from '../../drawing/panel.js';
import { sparkline } from '../../drawing/sparkline.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { Numbers } from './numbers.js';

/** Throughput, requests, hits and latencies, the most telling first; sparklines where there is room for all. */
export function numberRows(theme: Theme, { rows, columns }: Size, numbers: Numbers): string[] {
  const { now, hitShare } = numbers;
  const fact = (label: string, value: string): string =>
    new Line(theme, columns).add(label, 'dim').right(value).end();
  const bars = (values: readonly number[], style: Style): string =>
    new Line(theme, columns).add(sparkline(values, columns), style).end();
  const groups: readonly (readonly [string, string])[] = [
    [fact('read', `${formatBytes(now.readBytes)}/s`), bars(numbers.readBytes, 'warm')],
    [fact('write', `${formatBytes(now.writtenBytes)}/s`), bars(numbers.writtenBytes, 'dirty')],
    [fact('requests', `${formatCount(now.requests)} op/s`), bars(numbers.requests, 'plain')],
  ];
  const facts = [
    fact('cache hits', hitShare === undefined ? '-' : `${(hitShare * 100).toFixed(1)} %`),
    fact('read p50', microseconds(numbers.readLatency?.p50)),
    fact('     p99', microseconds(numbers.readLatency?.p99)),
    fact('write p50', microseconds(numbers.writeLatency?.p50)),
    fact('      p99', microseconds(numbers.writeLatency?.p99)),
  ];
  const hasBars = rows >= groups.length * 2 + facts.length - 2;
  return [...groups.flatMap(([text, line]) => (hasBars ? [text, line] : [text])), ...facts];
}

const microseconds = (value: number | undefined): string =>
  value === undefined ? '-' : `${formatCount(Math.round(value))} us`;
