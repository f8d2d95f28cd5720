// Asks for a new password and prints it as JSON. `newPassword.test.ts` starts it.
import { newPassword } from '../../src/cli/password.js';
import { HexzError } from '../../src/engine/errors.js';

try {
  const password = await newPassword(
    { passwordFile: process.argv.slice(3) },
    process.argv[2] ?? '',
  );
  process.stdout.write(`password ${JSON.stringify(password)}\n`);
} catch (error) {
  if (!(error instanceof HexzError)) throw error;
  process.stdout.write(`${error.code}: ${error.toLine()}\n`);
}
