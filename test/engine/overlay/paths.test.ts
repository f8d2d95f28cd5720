import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { overlayPaths } from '../../../src/engine/overlay/paths.js';
import { errorOf } from '../../support/errors.js';

describe('the list of pages of', () => {
  test.each([
    ['foo.overlay', 'foo.meta'],
    ['foo', 'foo.meta'],
    ['foo.tar.gz', 'foo.tar.meta'],
    ['.hidden', '.hidden.meta'],
    ['.hidden.ov', '.hidden.meta'],
    ['foo.', 'foo.meta'],
    ['foo..', 'foo..meta'],
    ['..foo', '..meta'],
    ['dir.d/plain', 'dir.d/plain.meta'],
    ['foo.meta.img', 'foo.meta.meta'],
    ['foo.META', 'foo.meta'],
    ['a b.雪', 'a b.meta'],
  ])('%s is %s', (data, list) => {
    expect(overlayPaths(data)).toEqual({
      data: resolve(data),
      list: resolve(list),
      side: `${resolve(data)}.hexz.json`,
      review: `${resolve(data)}.hexz-review.json`,
    });
  });

  test('an absolute path lies beside it', () => {
    expect(overlayPaths('/a.b/c.img').list).toBe('/a.b/c.meta');
  });
});

test.each(['x.meta', 'dir.d/.x.meta'])('%s is refused: data and list would be one file', (path) => {
  const error = errorOf(() => overlayPaths(path));
  expect(error.code).toBe('OVERLAY_UNUSABLE');
  expect(error.location.file).toBe(path);
  expect(error.message).toContain('.meta');
});

test('.meta alone is a name without an extension', () => {
  expect(overlayPaths(join('dir', '.meta')).list).toBe(resolve('dir', '.meta.meta'));
});
