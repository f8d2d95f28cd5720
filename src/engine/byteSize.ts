const UNITS: Readonly<Record<string, number>> = {
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/**
 * A number of bytes as people write it: 4096, 0x1000, 64k, 1.5G, 256MB, 2MiB (factor 1024, any case).
 *
 * @returns undefined where it is none, or not exact as a number
 */
export function byteSizeOf(text: string): number | undefined {
  const hex = /^0x[0-9a-f]+$/i.test(text);
  const whole = /^(\d+)b?$/i.exec(text);
  const scaled = /^(\d+(?:\.\d+)?|\.\d+)([kmgt])(?:i?b)?$/i.exec(text);
  const unit = UNITS[(scaled?.[2] ?? '').toLowerCase()] ?? Number.NaN;
  const value = hex ? Number(text) : Number(whole?.[1] ?? Math.floor(Number(scaled?.[1]) * unit));
  return Number.isSafeInteger(value) ? value : undefined;
}
