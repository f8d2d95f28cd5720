import { defineConfig } from 'vitest/config';

/** Threads, programs and WebAssembly of the sources are those of the build: Node runs no TypeScript. */
const builtPrograms = {
  name: 'built-programs',
  enforce: 'pre' as const,
  transform: (code: string, path: string) => {
    const program = /new URL\('\.\/(\w+(?:(?:Worker|Main)\.js|\.wasm))', import\.meta\.url\)/.exec(
      code,
    );
    if (program === null || !path.endsWith('.ts')) return undefined;
    const built = path.replace('/src/', '/dist/').replace(/\w+\.ts$/, `${program[1]}`);
    return code.replace(program[0], `new URL(${JSON.stringify(`file://${built}`)})`);
  },
};

export default defineConfig({
  plugins: [builtPrograms],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/recipeDirectory.ts'],
    testTimeout: 30_000,
    maxWorkers: '100%',
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
});
