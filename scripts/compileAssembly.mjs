import { execFileSync } from 'node:child_process';

/** Compiles the AssemblyScript of assembly/ to a WebAssembly module beside the compiled module that loads it. */
export function compileAssembly(directory) {
  const options = ['-O3', '--noAssert', '--runtime=stub', '--importMemory', '--enable=simd'];
  execFileSync(
    'node_modules/.bin/asc',
    ['assembly/lz4.ts', `--outFile=${directory}/lz4.wasm`, ...options],
    { stdio: 'inherit' },
  );
}
