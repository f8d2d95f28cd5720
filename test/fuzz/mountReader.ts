import { constants, openSync, readSync } from 'node:fs';

/*
 * `node mountReader.js BYTES FILE ...`: reads 4 KiB at random places of each of the files in turn, past the kernel's
 * cache, until its standard input ends. Then it prints how long the reads took, in milliseconds.
 */
const [bytes = '0', ...paths] = process.argv.slice(2);
const O_DIRECT = 0o40000;
const READ_BYTES = 4096;
/** Between two reads, so that the reader does not take a core for himself. */
const PAUSE_MS = 1;

const target = Buffer.alloc(READ_BYTES);
const pages = Math.floor(Number(bytes) / READ_BYTES);
const files = paths.map((path) => ({
  descriptor: openSync(path, constants.O_RDONLY | O_DIRECT),
  milliseconds: [] as number[],
}));

const timer = setInterval(() => {
  for (const { descriptor, milliseconds } of files) {
    const start = performance.now();
    readSync(descriptor, target, 0, READ_BYTES, Math.floor(Math.random() * pages) * READ_BYTES);
    milliseconds.push(performance.now() - start);
  }
}, PAUSE_MS);

process.stdin.on('end', () => {
  clearInterval(timer);
  process.stdout.write(JSON.stringify(files.map(({ milliseconds }) => summary(milliseconds))));
});
process.stdin.resume();

function summary(values: number[]) {
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.floor((values.length - 1) * share)] ?? 0;
  return { count: values.length, p50: at(0.5), p999: at(0.999), longest: at(1) };
}
