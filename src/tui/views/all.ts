import { ActivityView } from './activity/activityView.js';
import { Changes } from './changes/changes.js';
import { HexView } from './hex/hexView.js';
import { MemoryView } from './hex/memoryView.js';
import { LogView } from './logView.js';
import { OverlayView } from './overlay/overlayView.js';
import { ReviewView } from './review/reviewView.js';
import type { ScreenContext, View, ViewName } from './view.js';

/** The views in the order of their keys. */
export const createViews = (context: ScreenContext): ReadonlyMap<ViewName, View> => {
  const changes = new Changes(context);
  return new Map<ViewName, View>([
    ['activity', new ActivityView(context)],
    ['overlay', new OverlayView(context, changes)],
    ['disk', new HexView(context, 'disk')],
    ['memory', new MemoryView(context)],
    ['review', new ReviewView(context, changes)],
    ['log', new LogView(context)],
  ]);
};
