import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The version of an installed package, which decides about what it writes. */
export function versionOfPackage(name: string): string {
  const require = createRequire(import.meta.url);
  // Packages need not export their package.json; it lies above what they do export.
  for (let directory = dirname(require.resolve(name)); ; directory = dirname(directory)) {
    const path = join(directory, 'package.json');
    if (existsSync(path)) {
      const found = JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
      if (found.name === name && found.version !== undefined) return found.version;
    }
    if (directory === dirname(directory)) return 'of unknown version';
  }
}
