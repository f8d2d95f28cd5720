import type { MethodName, Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';
import type { JobOutput } from './output.js';
import { read } from './read.js';

type JobOf<Name extends MethodName> = (
  context: JobContext,
  params: Params<Name>,
  output: JobOutput,
) => Result<Name> | Promise<Result<Name>>;

/** What job threads can do. */
export const jobs = {
  read,
} satisfies { [Name in MethodName]?: JobOf<Name> };

export const isJobName = (name: string): name is keyof typeof jobs => Object.hasOwn(jobs, name);
