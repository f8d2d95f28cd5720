import type { View, ViewName } from '../views/view.js';
import type { AnswerTaker } from './commandRunner.js';

/** Where what a command answers is shown best. */
export interface AnswerView extends View {
  /** Answers whether it shows it. */
  takeAnswer: AnswerTaker;
}

const takes = (view: View): view is AnswerView => 'takeAnswer' in view;

/** Offers an answer to the views, the one that is shown first. */
export function routeTo(
  views: ReadonlyMap<ViewName, View>,
  shown: () => ViewName,
  open: (name: ViewName) => void,
): AnswerTaker {
  return async (command, answer, signal, text) => {
    const names = [shown(), ...[...views.keys()].filter((name) => name !== shown())];
    for (const name of names) {
      const view = views.get(name);
      if (view === undefined || !takes(view)) continue;
      if (!(await view.takeAnswer(command, answer, signal, text))) continue;
      open(name);
      return true;
    }
    return false;
  };
}
