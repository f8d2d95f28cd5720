import type { HexCommand } from './bindings.js';
import type { HexModel } from './hexModel.js';

/** What keys of the bytes do at once. */
export const steps = {
  up: (model: HexModel) => model.move((viewport) => viewport.moveRows(-1)),
  down: (model: HexModel) => model.move((viewport) => viewport.moveRows(1)),
  left: (model: HexModel) => model.move((viewport) => viewport.moveBytes(-1)),
  right: (model: HexModel) => model.move((viewport) => viewport.moveBytes(1)),
  pageUp: (model: HexModel) => model.move((viewport) => viewport.movePages(-1)),
  pageDown: (model: HexModel) => model.move((viewport) => viewport.movePages(1)),
  rowStart: (model: HexModel) => model.move((viewport) => viewport.toRowStart()),
  rowEnd: (model: HexModel) => model.move((viewport) => viewport.toRowEnd()),
  top: (model: HexModel) => model.goTo(0),
  // The viewport brings it back to the last byte, once it is known which that is.
  bottom: (model: HexModel) => model.goTo(Number.MAX_SAFE_INTEGER - 1),
  mark: (model: HexModel) => model.toggleMark(),
  follow: (model: HexModel) => model.follow(!model.isFollowing),
  side: (model: HexModel) => model.show(model.place.side === 'base' ? 'merged' : 'base'),
} satisfies { readonly [Command in HexCommand]?: (model: HexModel) => void };

export type StepCommand = keyof typeof steps;

export const isStep = (command: HexCommand): command is StepCommand =>
  Object.hasOwn(steps, command);
