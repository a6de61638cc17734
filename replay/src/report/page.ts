import { comparisonPlot, html, lifelinesPlot, Markup, type Scales, STYLE } from '@tenure/doctor/internal';
import { type ContenderKey, contenderOf, routeOf } from '../contenders/catalogue.js';
import { byRoute, ROUTES, type RouteKey } from '../contenders/routes.js';
import type { Findings } from '../database/findings.js';
import type { Check } from '../figures/checks.js';
import type { PassFigures } from '../figures/passFigures.js';
import type { Summary } from '../figures/summary.js';
import { titleOf } from '../figures/titles.js';
import { rowsOf } from '../output/rows.js';
import { aboutConnections, aboutLifelines } from './sentences.js';

export interface ReportContent {
  passes: readonly PassFigures[];
  summaries: readonly Summary[];
  /** One line for each contender. */
  verdicts: readonly string[];
  checks: readonly Check[];
  notes: readonly string[];
  findings: Findings;
  /** The time and the machine of the run. */
  setting: string;
}

export function page(content: ReportContent): string {
  const { summaries, verdicts, checks, notes, setting } = content;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tenure: the incident replayed</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>The incident replayed</h1>
<p class="soft">${setting}</p>
<ul class="verdict">${verdicts.map((line) => html`<li>${line}</li>`)}</ul>
</header>
${connectionsSection(content)}
<section>
<h2>Connection lifelines</h2>
<div class="plots">${summaries.map((summary) => lifelines(summary, content))}</div>
</section>
<section>
${byRoute(summaries, ({ contender }) => routeOf(contender)).map(([route, members]) => figuresTable(route, members))}
${checkList(checks)}
</section>
<footer class="soft"><h3>How to read the figures</h3><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul></footer>
</body>
</html>
`.text;
}

function figuresTable(route: RouteKey, summaries: readonly Summary[]): Markup {
  const { method, path, story } = ROUTES[route];
  const titles = summaries.map((summary) => html`<th scope="col">${titleOf(summary)}</th>`);
  const rows = rowsOf(route).map(([name, say]) => {
    const cells = summaries.map((summary) => html`<td>${say(summary)}</td>`);
    return html`<tr><th scope="row">${name}</th>${cells}</tr>`;
  });
  return html`<h2>${method} ${path}</h2><p class="soft">${sentence(story)}</p>
<div class="scroll"><table><thead><tr><th></th>${titles}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function checkList(checks: readonly Check[]): Markup {
  const items = checks.map(({ passed, text }) => html`<li class="${passed ? 'kept' : 'broken'}">${text}</li>`);
  return html`<ul class="checks">${items}</ul>`;
}

/** The picture at the top of the page, and another one if the number of processes doubles. */
function connectionsSection(content: ReportContent): Markup {
  const acts = [false, true].map((doubles) => actOf(content, doubles)).filter(({ summaries }) => summaries.length > 0);
  return html`<section>
<h2>Connections over time</h2>
${acts.map(connections)}
</section>`;
}

function connections({ passes, summaries, findings }: ReportContent): Markup {
  const compared = summaries.map((summary) => ({
    name: titleOf(summary),
    samples: tracesOf(summary, passes)[0]!.samples,
    isMarked: contenderOf(summary.contender).isTenure,
  }));
  const about = aboutConnections(summaries, findings.maxConnections);
  return html`<figure>${comparisonPlot(compared, scalesOf(passes, findings), about)}<figcaption>${about}</figcaption></figure>`;
}

function actOf(content: ReportContent, doubles: boolean): ReportContent {
  const isPart = ({ contender }: { contender: ContenderKey }) => contenderOf(contender).doubles === doubles;
  return { ...content, passes: content.passes.filter(isPart), summaries: content.summaries.filter(isPart) };
}

function lifelines(summary: Summary, { passes, findings }: ReportContent): Markup {
  const traces = tracesOf(summary, passes);
  const first = traces[0]!;
  const about = aboutLifelines(summary, first.lifelines.length, { pass: traces.length > 1 });
  return html`<figure><h3>${titleOf(summary)}</h3><p class="soft">${sentence(contenderOf(summary.contender).story)}</p>
${lifelinesPlot(first, scalesOf(passes, findings), about)}<figcaption>${about}</figcaption></figure>`;
}

function tracesOf({ contender }: Summary, passes: readonly PassFigures[]) {
  return passes.filter((pass) => pass.contender === contender).map(({ trace }) => trace);
}

function scalesOf(passes: readonly PassFigures[], { maxConnections }: Findings): Scales {
  return { limit: maxConnections, limitName: 'max_connections', seconds: longest(passes) };
}

function longest(passes: readonly PassFigures[]): Scales['seconds'] {
  return Math.max(1, ...passes.map(({ trace }) => trace.samples.at(-1)?.at ?? 0));
}

function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1)}.`;
}
