import type { Finding } from '../judge/finding.js';
import { duration, plural } from '../judge/format.js';
import type { Group } from '../judge/groups.js';
import type { Judgement } from '../judge/judge.js';
import { html, Markup } from '../page/html.js';
import { connectionsPlot, lifelinesPlot } from '../page/plots.js';
import { STYLE } from '../page/style.js';
import { GROUP_COLUMNS } from './groupsTable.js';
import { traceOf } from './lifelines.js';
import { reservations, setting, verdictSentence } from './sentences.js';

/** The report as one page without external files. */
export function reportPage(judgement: Judgement, when: Date): string {
  const { findings, facts } = judgement;
  const notes = reservations(judgement);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tenure doctor: ${judgement.verdict}</title>
<style>${new Markup(STYLE + OWN_STYLE)}</style>
</head>
<body>
<header>
<h1>The connections of this server</h1>
<p class="soft">${setting(judgement)} · ${when.toISOString().slice(0, 16).replace('T', ' ')} UTC</p>
<p class="verdict">${verdictSentence(judgement)}</p>
</header>
${findings.map(findingSection)}
${facts.samples.length > 0 ? plots(judgement) : new Markup('')}
${facts.groups.length > 0 ? groupsSection(facts.groups) : new Markup('')}
${notes.length > 0 ? html`<footer class="soft"><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul></footer>` : new Markup('')}
</body>
</html>
`.text;
}

const OWN_STYLE = `
.finding { border-left: 6px solid var(--axis); }
.critical { border-left-color: var(--limit); }
.warning { border-left-color: #b7791f; }
.evidence { font-size: .9rem; }
.evidence td, .evidence th { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.sessions th[scope='row'] { overflow-wrap: anywhere; }
`;

function findingSection({ id, severity, group, what, why, cause, fix, evidence }: Finding): Markup {
  const rows = Object.entries(evidence).map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td>${String(value)}</td></tr>`,
  );
  const part = (label: string, text: string) => (text === '' ? new Markup('') : html`<p><b>${label}</b> ${text}</p>`);
  return html`<section class="finding ${severity}">
<h2>${severity}: ${id}</h2>
${group === null ? new Markup('') : html`<p class="soft">${group}</p>`}
<p>${what}</p>
${part('Why it matters:', why)}
${part('Why it happens:', cause)}
${part('To do:', fix)}
<details><summary class="soft">Evidence</summary><div class="scroll"><table class="evidence"><tbody>${rows}</tbody></table></div></details>
</section>`;
}

function plots({ facts }: Judgement): Markup {
  const trace = traceOf(facts);
  const peak = Math.max(0, ...trace.samples.map(({ connections }) => connections));
  const scales = { limit: facts.limit, limitName: 'limit', seconds: Math.max(1, facts.seconds) };
  const aboutLine = `The client sessions of the server, logins included. At most ${peak}; it allows ${facts.limit}.`;
  const aboutBars = `One bar per backend, from its start to its end: in full colour while it worked, faint while it was idle. ${plural(trace.lifelines.length, 'backend')} in ${duration(facts.to - facts.from)}.`;
  return html`<section>
<div class="plots">
<figure><h3>Connections over time</h3>${connectionsPlot([trace], scales, aboutLine)}<figcaption>${aboutLine}</figcaption></figure>
<figure><h3>Connection lifelines</h3>${lifelinesPlot(trace, scales, aboutBars)}<figcaption>${aboutBars}</figcaption></figure>
</div>
</section>`;
}

function groupsSection(groups: readonly Group[]): Markup {
  const heads = ['sessions of', ...GROUP_COLUMNS.map(({ title }) => title)];
  const rows = groups.map((group) => {
    const cells = GROUP_COLUMNS.map(({ of }) => html`<td>${of(group)}</td>`);
    return html`<tr><th scope="row">${group.name}</th>${cells}</tr>`;
  });
  return html`<section><h2>Groups</h2><div class="scroll"><table class="sessions">
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${rows}</tbody>
</table></div></section>`;
}
