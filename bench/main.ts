import { decode } from './decode.js';
import { extract } from './extract.js';
import { sparse } from './sparse.js';

const benchmarks: Readonly<Record<string, () => Promise<void> | void>> = {
  decode,
  sparse,
  extract,
};

const wanted = process.argv.slice(2);
const names = wanted.length === 0 ? Object.keys(benchmarks) : wanted;
for (const name of names) {
  const benchmark = benchmarks[name];
  if (benchmark === undefined) {
    process.stderr.write(
      `no benchmark "${name}"; there are ${Object.keys(benchmarks).join(', ')}\n`,
    );
    process.exitCode = 2;
    break;
  }
  await benchmark();
}
