import { formatOffset, printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import type { ScreenContext } from '../view.js';
import type { HexModel } from './hexModel.js';
import { inspectorRows } from './inspectorRows.js';

/** What the bytes at the cursor may be. Until that is known, what was known last stays, with its offset above it. */
export class InspectorPanel {
  readonly #context: ScreenContext;
  readonly #model: HexModel;

  constructor(context: ScreenContext, model: HexModel) {
    this.#context = context;
    this.#model = model;
  }

  draw(size: Size): string[] {
    const { theme } = this.#context;
    const { place, cursorOffset, inspection } = this.#model;
    const question = { place, offset: cursorOffset };
    const known = inspection.want(question) ?? inspection.last;
    const { columns } = inside(size);
    const title = `at ${formatOffset(known?.question.offset ?? cursorOffset)}`;
    const rows =
      known?.answer !== undefined
        ? inspectorRows(theme, columns, known.answer)
        : [new Line(theme, columns).add(printable(known?.error?.message ?? '…'), 'dim').end()];
    return framed(rows, theme, size, title);
  }
}
