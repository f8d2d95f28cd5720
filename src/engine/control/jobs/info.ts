import { countBlocksOfFile } from '../../snapshot/blockCounts.js';
import { describeSnapshot } from '../../snapshot/information.js';
import { informationDocument } from '../../snapshot/informationDocument.js';
import type { Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';

/** Answers `info`. */
export function info(context: JobContext, { countsBlocks }: Params<'info'>): Result<'info'> {
  const { path } = context.snapshot;
  const counts = countsBlocks ? countBlocksOfFile(path) : undefined;
  return informationDocument(describeSnapshot(path, context.parentDirectories), counts);
}
