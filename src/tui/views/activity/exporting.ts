import { HexzError } from '../../../engine/errors.js';
import { refuseServedFile } from '../../../repl/files.js';
import { countOf, toJsonText } from '../../../repl/rendering/values.js';
import { writeWhole } from '../../../repl/wholeFile.js';
import type { ScreenContext } from '../view.js';
import type { ActivityHistory } from './history.js';
import { type CellAmounts, noAmounts, type StreamGrid } from './streamGrid.js';

/** Cells that follow each other and are alike; amounts are of each of them, as `map` of the REPL lists them. */
interface ExportedCells extends CellAmounts {
  readonly offset: number;
  length: number;
  cells: number;
}

/** What is seen of a moment, for programs: offsets and lengths in bytes, times as text. */
export function exportDocument(
  snapshot: string,
  grid: StreamGrid,
  history: ActivityHistory,
  time: number,
): object {
  const steps = [...history.backFrom(time, Number.NEGATIVE_INFINITY)].reverse();
  const { stream, length: streamLength, cellBytes } = grid;
  return {
    snapshot,
    time: new Date(time).toISOString(),
    map: { stream, streamLength, cellBytes, runs: exportedCells(grid, time) },
    events: steps.flatMap(({ events }) => events),
    lostEvents: steps.reduce((sum, { lostEvents }) => sum + lostEvents, 0),
  };
}

function exportedCells(grid: StreamGrid, time: number): ExportedCells[] {
  const { cellBytes, cellCount, length } = grid;
  const occupancy = grid.occupancyAt(time);
  const runs: ExportedCells[] = [];
  for (let cell = 0; cell < cellCount; cell++) {
    const amounts = grid.sum(cell, cell + 1, occupancy, noAmounts());
    const offset = cell * cellBytes;
    const cellLength = Math.min(cellBytes, length - offset);
    const last = runs.at(-1);
    if (last !== undefined && isSame(last, amounts)) {
      last.length += cellLength;
      last.cells++;
    } else {
      runs.push({ offset, length: cellLength, cells: 1, ...amounts });
    }
  }
  return runs;
}

const isSame = (a: CellAmounts, b: CellAmounts): boolean =>
  a.dataBytes === b.dataBytes &&
  a.zeroBytes === b.zeroBytes &&
  a.parentBytes === b.parentBytes &&
  a.dirtyPages === b.dirtyPages &&
  a.cachedBlocks === b.cachedBlocks;

/** Asks for a file, and once more before one is replaced, and writes a document into it. */
export async function exportToFile(context: ScreenContext, document: object): Promise<void> {
  const path = (await context.askLine('export to the file: ', 'activity.json'))?.trim();
  if (path === undefined || path === '') return;
  try {
    await refuseServedFile(context.session.client, path);
    const bytes = Buffer.from(`${toJsonText(document, 2)}\n`);
    if (await writeOrAsk(context, path, bytes)) {
      context.say(`${countOf(bytes.length, 'byte')} written to ${path}`, 'good');
    }
  } catch (error) {
    context.fail(error);
  }
}

/** Answers whether it is written. */
async function writeOrAsk(context: ScreenContext, path: string, bytes: Buffer): Promise<boolean> {
  const write = (replaces: boolean): Promise<number> =>
    writeWhole(path, replaces, async (file) => {
      await file.write(bytes, 0);
      return bytes.length;
    });
  try {
    await write(false);
    return true;
  } catch (error) {
    if (!(error instanceof HexzError) || error.code !== 'OUTPUT_EXISTS') throw error;
  }
  const answer = await context.choose(`${path} exists.`, [
    { answer: 'replace', key: 'y', label: 'replace it' },
  ]);
  if (answer === undefined) return false;
  await write(true);
  return true;
}
