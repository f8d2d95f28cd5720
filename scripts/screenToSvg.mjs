// Draws the cells of a terminal as SVG. Every run of one style stands at its own place and has its own length, so that
// frames meet whatever the font is.

const CELL_WIDTH = 8.4;
const CELL_HEIGHT = 16.5;
const FONT_SIZE = 14;
const BASELINE = 13;
const MARGIN = 14;
const BACKGROUND = '#15181e';
const FOREGROUND = '#d6dae2';
const DIM_OPACITY = 0.55;
/** The sixteen colours of the terminal. */
const COLOURS = [
  ['#20242c', '#e06c75', '#8cc570', '#e2b65c', '#6ca8f0', '#c985e0', '#4fbfcc', '#c4c9d2'],
  ['#6b7280', '#f08b92', '#a8dc8d', '#f2ce80', '#90c0ff', '#dea6f0', '#7fdbe6', '#ffffff'],
].flat();

/**
 * @param rows cells of `@xterm/headless`
 * @param title what the picture shows, for those who do not see it
 */
export function toSvg(rows, title) {
  const width = number(rows[0].length * CELL_WIDTH + 2 * MARGIN);
  const height = number(rows.length * CELL_HEIGHT + 2 * MARGIN);
  const lines = rows.map((cells, index) => lineToSvg(runsOf(cells), MARGIN + index * CELL_HEIGHT));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeText(title)}</title>
<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace" font-size="${FONT_SIZE}" fill="${FOREGROUND}" xml:space="preserve">
${lines.filter((line) => line !== '').join('\n')}
</g>
</svg>
`;
}

/** Neighbours that look alike: where they begin, how many they are, their text and their style. */
function runsOf(cells) {
  const runs = [];
  cells.forEach((cell, column) => {
    if (cell.getWidth() === 0) return;
    const style = styleOf(cell);
    const text = cell.getChars() || ' ';
    const last = runs.at(-1);
    if (last !== undefined && last.key === style.key) {
      last.text += text;
      last.cells += cell.getWidth();
    } else {
      runs.push({ ...style, column, cells: cell.getWidth(), text });
    }
  });
  return runs;
}

function styleOf(cell) {
  const colour = cell.isFgPalette() ? (COLOURS[cell.getFgColor()] ?? FOREGROUND) : FOREGROUND;
  const isInverse = cell.isInverse() !== 0;
  const style = {
    fill: isInverse ? BACKGROUND : colour,
    behind: isInverse ? colour : undefined,
    isBold: cell.isBold() !== 0,
    isDim: cell.isDim() !== 0,
  };
  return { ...style, key: JSON.stringify(style) };
}

function lineToSvg(runs, top) {
  const boxes = runs.filter(({ behind }) => behind !== undefined);
  const texts = runs.filter(({ text }) => text.trim() !== '');
  return [...boxes.map((run) => boxToSvg(run, top)), ...textToSvg(texts, top)].join('\n');
}

const boxToSvg = ({ column, cells, behind, isDim }, top) =>
  `<rect x="${x(column)}" y="${number(top)}" width="${number(cells * CELL_WIDTH)}" height="${CELL_HEIGHT}" fill="${behind}"${isDim ? ` fill-opacity="${DIM_OPACITY}"` : ''}/>`;

function textToSvg(runs, top) {
  if (runs.length === 0) return [];
  const spans = runs.map(({ column, cells, text, fill, isBold, isDim }) => {
    const look = [
      ...(fill === FOREGROUND ? [] : [` fill="${fill}"`]),
      ...(isBold ? [' font-weight="bold"'] : []),
      ...(isDim ? [` fill-opacity="${DIM_OPACITY}"`] : []),
    ].join('');
    const length = number(cells * CELL_WIDTH);
    return `<tspan x="${x(column)}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${look}>${escapeText(text)}</tspan>`;
  });
  return [`<text y="${number(top + BASELINE)}">${spans.join('')}</text>`];
}

const x = (column) => number(MARGIN + column * CELL_WIDTH);
const number = (value) => Number(value.toFixed(2));
const escapeText = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
