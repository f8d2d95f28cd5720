// Compiles src to dist, from nothing, and makes the command executable.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { compileAssembly } from './compileAssembly.mjs';

rmSync('dist', { recursive: true, force: true });
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
compileAssembly('dist/engine/codec');
chmodSync('dist/cli/main.js', 0o755);
