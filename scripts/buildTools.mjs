// Compiles what only the project uses (measurements, fuzzing, crash tests), with the sources that it needs, to build.
import { execFileSync } from 'node:child_process';
import { compileAssembly } from './compileAssembly.mjs';

execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.tools.json'], { stdio: 'inherit' });
compileAssembly('build/src/engine/codec');
