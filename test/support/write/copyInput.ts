// Copies an input to standard output, and says its length on standard error. `input.test.ts` starts it.
import { HexzError } from '../../../src/engine/errors.js';
import { openInput } from '../../../src/engine/write/input.js';
import { writeFully } from '../../../src/engine/write/outputFile.js';

try {
  const input = openInput(process.argv[2] ?? '');
  process.stderr.write(`length ${input.length}\n`);
  const target = Buffer.alloc(100_000);
  for (let count = target.length; count === target.length; ) {
    count = await input.read(target);
    writeFully(1, target.subarray(0, count), null);
  }
  input.close();
} catch (error) {
  if (!(error instanceof HexzError)) throw error;
  process.stderr.write(`${error.toLine()}\n`);
}
