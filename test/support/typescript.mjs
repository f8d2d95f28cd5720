// Lets a child process of a test run TypeScript from the sources: node --import THIS program.ts
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

/** Imports name the compiled file. */
export async function resolve(specifier, context, nextResolve) {
  const isOurs = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
  return nextResolve(isOurs ? specifier.replace(/\.js$/, '.ts') : specifier, context);
}

export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context);
  const { default: typescript } = await import('typescript');
  const { outputText: source } = typescript.transpileModule(
    await readFile(fileURLToPath(url), 'utf8'),
    { compilerOptions: { module: 'ESNext', target: 'ES2023', verbatimModuleSyntax: true } },
  );
  return { format: 'module', source: withBuiltPrograms(url, source), shortCircuit: true };
}

/** Threads are those of the build: their program is named by an address, which nothing here resolves. */
const withBuiltPrograms = (url, source) =>
  source.replace(/new URL\('\.\/(\w+Worker\.js)', import\.meta\.url\)/, (_, program) => {
    const built = new URL(program, url).href.replace('/src/', '/dist/');
    return `new URL('${built}')`;
  });

// Node loads this module once more, for its hooks alone, in a thread of their own.
if (isMainThread) register(import.meta.url);
