import { Box, Text, Transform } from 'ink';
import { memo, type ReactElement, useSyncExternalStore } from 'react';
import type { Size } from './drawing/panel.js';
import { drawScreen } from './drawScreen.js';
import type { Screen } from './screen.js';

/** The whole screen, one row less than the terminal has. */
export function App({ screen, size }: { screen: Screen; size: Size }): ReactElement {
  useSyncExternalStore(screen.clock.subscribe, screen.clock.revision);
  const { columns } = size;
  const rows = drawScreen(screen, { rows: size.rows - 1, columns });
  return (
    <Box flexDirection="column" width={columns}>
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row of the screen is known by its number
        <Row key={index} text={row} columns={columns} />
      ))}
    </Box>
  );
}

/**
 * A row of its full width. Ink keeps the measures of each text for as long as it runs, so what it measures and lays out
 * is always the same blank row; what stands in that comes when the frame is made.
 */
const Row = memo(({ text, columns }: { text: string; columns: number }) => (
  <Transform transform={() => text}>
    <Text>{' '.repeat(columns)}</Text>
  </Transform>
));
