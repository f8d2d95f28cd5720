import { HexzError } from '../errors.js';
import { type ErrorName, errorNumbers } from './protocol.js';

/** A request that cannot be fulfilled; an everyday answer, not worth a line in a log. */
export class NbdRequestError extends Error {
  override readonly name = 'NbdRequestError';
  readonly errorName: ErrorName;

  constructor(errorName: ErrorName, message: string) {
    super(message);
    this.errorName = errorName;
  }
}

/** What a client is answered where the error of the system has no number of its own. */
const likeness: Readonly<Record<string, ErrorName>> = {
  EACCES: 'EPERM',
  EDQUOT: 'ENOSPC',
  EFBIG: 'ENOSPC',
  EROFS: 'EPERM',
};

/** The number and the words that a client is told of an error. */
export function describeFailure(error: unknown): { errorNumber: number; text: string } {
  if (error instanceof NbdRequestError) {
    return { errorNumber: errorNumbers[error.errorName], text: error.message };
  }
  if (!(error instanceof HexzError)) {
    return { errorNumber: errorNumbers.EIO, text: 'the server met a bug' };
  }
  const name = likeness[error.errno] ?? error.errno;
  const errorNumber = isErrorName(name) ? errorNumbers[name] : errorNumbers.EIO;
  // Without paths of files: they are none of a client's business.
  return { errorNumber, text: error.message };
}

const isErrorName = (name: string): name is ErrorName => name in errorNumbers;
