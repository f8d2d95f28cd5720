import { LogView } from './logView.js';
import type { ScreenContext, View, ViewName } from './view.js';

/** The views in the order of their keys. */
export const createViews = (context: ScreenContext): ReadonlyMap<ViewName, View> =>
  new Map<ViewName, View>([['log', new LogView(context)]]);
