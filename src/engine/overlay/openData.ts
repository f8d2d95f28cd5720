import { HexzError } from '../errors.js';
import { onFile } from './failures.js';
import { type OverlayFile, systemFiles } from './files.js';

/**
 * Opens the data file of another thread's overlay for reading, with a descriptor of this thread.
 *
 * @throws HexzError OVERLAY_UNUSABLE when it no longer has its name
 */
export function openData(shared: {
  readonly path: string;
  readonly identity: string;
}): OverlayFile {
  const { path, identity } = shared;
  const file = onFile(path, 'open the overlay', () => systemFiles.open(path, 'read'));
  if (file.identity === identity) return file;
  file.close();
  throw new HexzError('OVERLAY_UNUSABLE', 'the data file was replaced while it was in use', {
    location: { file: path },
  });
}
