import { html, Markup, STYLE } from '@tenure/doctor/internal';
import { barsPlot } from './plots.js';
import { isGrouped, type Report, type Setting, type Table, type Target } from './report.js';
import { settingLines } from './setting.js';

/** A report as one page without external files. */
export function page({ title, about, tables, plots, targets }: Report, setting: Setting): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tenure: ${title}</title>
<style>${new Markup(STYLE + MORE_STYLE)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${settingLines(setting).map((line) => html`<p class="soft">${line}</p>`)}
<p><code>${setting.command}</code></p>
${about.map((paragraph) => html`<p>${paragraph}</p>`)}
</header>
${targets.length > 0 ? targetSection(targets) : ''}
<section class="bars">
${plots.map((plot) => html`<figure><h3>${plot.title}</h3>${barsPlot(plot)}<figcaption>${plot.unit}</figcaption></figure>`)}
</section>
${tables.map(tableSection)}
</body>
</html>
`.text;
}

function targetSection(targets: readonly Target[]): Markup {
  const items = targets.map(({ reached, text }) => html`<li class="${reached ? 'reached' : 'missed'}">${text}</li>`);
  return html`<section><h2>Targets</h2><ul class="checks">${items}</ul></section>`;
}

function tableSection(table: Table): Markup {
  const { title, head, rows } = table;
  const heads = head.map((name) => html`<th scope="col">${name}</th>`);
  const lines = rows.map(([first = '', ...cells]) => {
    return html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  });
  return html`<section><h2>${title}</h2>
<div class="scroll"><table class="${isGrouped(table) ? 'grouped' : ''}"><thead><tr>${heads}</tr></thead><tbody>${lines}</tbody></table></div></section>`;
}

const MORE_STYLE = `
.bars { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 24px; }
thead th { white-space: normal; vertical-align: bottom; }
.scroll th, .scroll td { padding: 6px 7px; }
.grouped th:nth-child(2), .grouped td:nth-child(2) { text-align: left; }
.reached::before { content: '✓ '; color: var(--good); }
.missed::before { content: '✗ missed: '; color: var(--limit); font-weight: 600; }
code { font-size: .9rem; }
`;
