import { defineConfig } from 'vitest/config';

/** Threads of the sources are those of the build: Node runs no TypeScript. */
const builtThreads = {
  name: 'built-threads',
  enforce: 'pre' as const,
  transform: (code: string, path: string) => {
    const thread = /new URL\('\.\/(\w+Worker)\.js', import\.meta\.url\)/.exec(code);
    if (thread === null || !path.endsWith('.ts')) return undefined;
    const built = path.replace('/src/', '/dist/').replace(/\w+\.ts$/, `${thread[1]}.js`);
    return code.replace(thread[0], `new URL(${JSON.stringify(`file://${built}`)})`);
  },
};

export default defineConfig({
  plugins: [builtThreads],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/recipeDirectory.ts'],
    testTimeout: 30_000,
    maxWorkers: '100%',
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
});
