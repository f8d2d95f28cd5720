import { describe, expect, test } from 'vitest';
import { type Style, Theme } from '../../../src/tui/drawing/theme.js';

const styles = [
  'warm',
  'cold',
  'dirty',
  'difference',
  'error',
  'good',
  'space',
  'control',
  'high',
] as const satisfies readonly Style[];

const CUBE = [0, 95, 135, 175, 215, 255];
const WHITE = [255, 255, 255];

/** Red, green and blue of the colour cube that the terminals with 256 colours share. */
function cubeColour(number: number): readonly number[] {
  const index = number - 16;
  return [Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6].map(
    (level) => CUBE[level] ?? 0,
  );
}

/** Relative luminance (WCAG 2.2). */
function luminance(colour: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: readonly number[], other: readonly number[]): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

const numberOf = (code: string): number => Number(/38;5;(\d+)m$/.exec(code)?.[1]);

describe('colours', () => {
  test('can be read on a light terminal, all of them', () => {
    const theme = new Theme({ isColoured: true, hasManyColours: true });
    theme.setBackground(true);
    for (const style of styles) {
      const number = numberOf(theme.begin(style));
      expect(contrast(cubeColour(number), WHITE), style).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('that are too faint on a dark terminal are others there', () => {
    const theme = new Theme({ isColoured: true, hasManyColours: true });
    theme.setBackground(false);
    for (const style of ['cold', 'high', 'error'] as const) {
      const number = numberOf(theme.begin(style));
      expect(contrast(cubeColour(number), [0x1e, 0x1e, 0x1e]), style).toBeGreaterThanOrEqual(4.5);
    }
  });

  test("are the terminal's own where its background is not known, or where it has no others", () => {
    const own = new Theme({ isColoured: true }).begin('dirty');
    const unknown = new Theme({ isColoured: true, hasManyColours: true });
    const few = new Theme({ isColoured: true });
    const none = new Theme({ isColoured: false, hasManyColours: true });
    few.setBackground(true);
    none.setBackground(true);
    expect([unknown.begin('dirty'), few.begin('dirty'), none.begin('dirty')]).toEqual([
      own,
      own,
      '',
    ]);
  });
});
