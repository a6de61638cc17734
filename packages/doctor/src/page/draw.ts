import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { html, Markup } from './html.js';

// Plot needs a browser's document; this one has all that it uses.
const document = parseHTML('<!doctype html><html><body></body></html>').document as unknown as NonNullable<
  Plot.PlotOptions['document']
>;

/** An SVG cannot reflow its labels, so each plot is drawn for a wide and for a narrow page; the style sheet shows one. */
export const WIDTHS = { wide: 500, narrow: 330 };
/** Widths of a plot that has a row of the page to itself. */
export const FULL_WIDTHS = { wide: 1_060, narrow: 330 };
export const HEIGHT = 300;
const STYLE = { fontSize: '12px', fontFamily: 'inherit', background: 'none' };

/** Draws a plot as an SVG file, for a document. */
export function asFile(options: Plot.PlotOptions): string {
  const style = { fontSize: '12px', background: 'white', color: '#333' };
  const svg = Plot.plot({ style, ...options, document });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}

/** Draws a plot as SVG, once for each width of the page. */
export function atEachWidth(options: Plot.PlotOptions, widths = WIDTHS): Markup {
  const drawn = Object.entries(widths).map(([name, width]) => {
    const svg = Plot.plot({ height: HEIGHT, style: STYLE, ...options, document, width });
    svg.setAttribute('role', 'img');
    return html`<div class="${name}">${new Markup(svg.outerHTML)}</div>`;
  });
  return html`${drawn}`;
}
