/** Thrown instead of doing what the thread that owns the volume has to do. Nothing has happened then. */
export class LeftToOwner extends Error {
  override readonly name = 'LeftToOwner';
}
