import { ActivityView } from './activity/activityView.js';
import { LogView } from './logView.js';
import type { ScreenContext, View, ViewName } from './view.js';

/** The views in the order of their keys. */
export const createViews = (context: ScreenContext): ReadonlyMap<ViewName, View> =>
  new Map<ViewName, View>([
    ['activity', new ActivityView(context)],
    ['log', new LogView(context)],
  ]);
