import { HexView } from './hex/hexView.js';
import { MemoryView } from './hex/memoryView.js';
import { LogView } from './logView.js';
import type { ScreenContext, View, ViewName } from './view.js';

/** The views in the order of their keys. */
export const createViews = (context: ScreenContext): ReadonlyMap<ViewName, View> =>
  new Map<ViewName, View>([
    ['disk', new HexView(context, 'disk')],
    ['memory', new MemoryView(context)],
    ['log', new LogView(context)],
  ]);
