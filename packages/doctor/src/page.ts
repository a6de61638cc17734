/** What the pages of the doctor and of the replay are made of. Not for users: it may change with any version. */
export { atEachWidth, HEIGHT, WIDTHS } from './page/draw.js';
export { html, Markup } from './page/html.js';
export { connectionsPlot, type Lifeline, lifelinesPlot, type Scales, type Trace } from './page/plots.js';
export { STYLE } from './page/style.js';
