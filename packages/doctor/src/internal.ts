/** Exports that the replay and the benchmarks use. Not for users: they may change with any version. */
export { asFile, atEachWidth, HEIGHT, WIDTHS } from './page/draw.js';
export { html, Markup } from './page/html.js';
export {
  comparisonPlot,
  connectionsPlot,
  type Lifeline,
  lifelinesPlot,
  type Scales,
  type Trace,
} from './page/plots.js';
export { STYLE } from './page/style.js';
export { traceOf } from './print/lifelines.js';
export { askOver } from './server/connection.js';
export { SERVER } from './server/queries.js';
export { type Ask, SampleReader } from './server/reader.js';
