import { Text } from 'ink';
import { type ReactElement, useSyncExternalStore } from 'react';
import type { Size } from './drawing/panel.js';
import { drawScreen } from './drawScreen.js';
import type { Screen } from './screen.js';
import type { Painter } from './terminal/painter.js';

/** The whole screen, one row less than the terminal has: the painter holds the rows, Ink gets their name. */
export function App({
  screen,
  painter,
  size,
}: {
  screen: Screen;
  painter: Painter;
  size: Size;
}): ReactElement {
  useSyncExternalStore(screen.clock.subscribe, screen.clock.revision);
  const rows = drawScreen(screen, { rows: size.rows - 1, columns: size.columns });
  return <Text>{painter.hold(rows)}</Text>;
}
