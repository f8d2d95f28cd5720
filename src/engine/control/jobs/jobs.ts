import type { Item, MethodName, Params, Result } from '../protocol/methods.js';
import { block, blocks } from './block.js';
import { classify } from './classify.js';
import { type CommitExtras, commit, type InstantExtra, planCommit } from './commit.js';
import type { JobContext } from './context.js';
import { diff, diffRows } from './diff.js';
import { hash } from './hash.js';
import { info } from './info.js';
import { inspect } from './inspect.js';
import { locate } from './locate.js';
import { map } from './map.js';
import { memory } from './memory.js';
import type { JobOutput } from './output.js';
import { read } from './read.js';
import { search } from './search.js';
import { strings } from './strings.js';

/** What the control thread adds to the parameters of some. */
interface Extras {
  readonly commit: CommitExtras & InstantExtra;
  readonly planCommit: CommitExtras;
}

type JobOf<Name extends MethodName> = (
  context: JobContext,
  params: Params<Name> & (Name extends keyof Extras ? Extras[Name] : unknown),
  output: JobOutput<Item<Name>>,
) => Result<Name> | Promise<Result<Name>>;

/** What job threads can do. */
export const jobs = {
  block,
  blocks,
  classify,
  commit,
  diff,
  diffRows,
  hash,
  info,
  inspect,
  locate,
  map,
  memory,
  planCommit,
  read,
  search,
  strings,
} satisfies { [Name in MethodName]?: JobOf<Name> };

export const isJobName = (name: string): name is keyof typeof jobs => Object.hasOwn(jobs, name);
