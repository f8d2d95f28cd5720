import { expect, test } from 'vitest';
import { selectionRequest } from '../../../src/engine/control/reviewRequests.js';
import { within } from '../../support/until.js';

test('a selection that cannot be made to its end fails alone', async () => {
  function* committed() {
    yield { pageIndex: 7, pageCount: 1 };
    throw new Error('a bug');
  }
  const batches: string[] = [];
  const items = (json: string) => batches.push(json);
  const { result } = selectionRequest({ committed }, { items });
  await expect(within('its end', result)).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(batches).toEqual([]);
});
