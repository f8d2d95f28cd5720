import type { ToolResult } from '../nbd/kernelClient.js';
import { spawnApart } from './spawnApart.js';

const MAX_OUTPUT_LENGTH = 1024 ** 2;

/**
 * Runs a program of the system to its end, or until it takes too long. The calling thread goes on serving meanwhile.
 *
 * @throws the system's error if it cannot be started
 */
export function runTool(
  program: string,
  parameters: readonly string[],
  limitMilliseconds: number,
): Promise<ToolResult> {
  const child = spawnApart(program, parameters, ['ignore', 'pipe', 'pipe']);
  const output = collect(child.stdout);
  const complaint = collect(child.stderr);
  const result = (status: number | null): ToolResult => ({
    status,
    output: output(),
    complaint: complaint().trim().replace(/\s+/g, ' '),
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // It may be stuck in the kernel, where no signal reaches it: it is not waited for.
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve(result(null));
    }, limitMilliseconds);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve(result(status ?? (signal === null ? 0 : 128)));
    });
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= MAX_OUTPUT_LENGTH) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString();
}
