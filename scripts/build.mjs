// Compiles src to dist, from nothing, makes one file of what each thread of a mount loads, and the command executable.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import { rolldown } from 'rolldown';
import { compileAssembly } from './compileAssembly.mjs';

rmSync('dist', { recursive: true, force: true });
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
compileAssembly('dist/engine/codec');
await bundle('dist/engine/fuse/kernel/requestWorker.js');
copyFileSync('dist/engine/codec/lz4.wasm', 'dist/engine/fuse/kernel/lz4.wasm');
chmodSync('dist/cli/main.js', 0o755);

/** Puts a program and all that it imports of ours into one file in its place: so it loads in two thirds of the time. */
async function bundle(path) {
  const made = await rolldown({ input: path, platform: 'node', external: /^[^./]/ });
  await made.write({ file: path, format: 'esm', codeSplitting: false });
}
