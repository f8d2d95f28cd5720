import { Box, Text } from 'ink';
import { memo, type ReactElement, useSyncExternalStore } from 'react';
import type { Size } from './drawing/panel.js';
import { drawScreen } from './drawScreen.js';
import type { Screen } from './screen.js';

/** The whole screen, one row less than the terminal has. */
export function App({ screen, size }: { screen: Screen; size: Size }): ReactElement {
  useSyncExternalStore(screen.clock.subscribe, screen.clock.revision);
  const rows = drawScreen(screen, { rows: size.rows - 1, columns: size.columns });
  return (
    <Box flexDirection="column" width={size.columns}>
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row of the screen is known by its number
        <Row key={index} text={row} />
      ))}
    </Box>
  );
}

const Row = memo(({ text }: { text: string }) => <Text wrap="truncate">{text}</Text>);
