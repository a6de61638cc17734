/** The report's style sheet: light or dark by the reader's system, one column on a narrow page. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f7f7f5; --card: #fff; --ink: #1b1f24; --soft: #5b6470; --grid: #e6e7e9; --axis: #9aa1aa;
  --work: #1f6feb; --rest: #c4d8f5; --limit: #c4361f; --good: #1a7f37;
  --marked-1: #1f6feb; --marked-2: #0b3d91; --other-1: #b4690e; --other-2: #8250df; --other-3: #7a828c; --other-4: #bf3989; --other-5: #2c8a8a; --other-6: #4d5560;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1216; --card: #171b21; --ink: #e4e7eb; --soft: #9aa4b1; --grid: #262c34; --axis: #59636f;
    --work: #58a6ff; --rest: #1f3b61; --limit: #ff8066; --good: #4ac26b;
    --marked-1: #58a6ff; --marked-2: #a5d1ff; --other-1: #e0a458; --other-2: #b797f7; --other-3: #8b949e; --other-4: #f778ba; --other-5: #4fc3c3; --other-6: #c9d1d9;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1120px; padding: 32px 20px 64px;
  background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.2rem; margin: 0; }
h3 { font-size: .95rem; margin: 0 0 4px; }
p { margin: 6px 0; }
.soft, figcaption { color: var(--soft); }
.verdict { font-size: 1.05rem; margin: 20px 0; padding: 4px 0 4px 16px; border-left: 4px solid var(--work); }
.verdict li { margin: 4px 0; }
ul { padding-left: 1.1em; margin: 6px 0; }
ul.verdict { list-style: none; }
.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: .9rem; }
.key li::before { content: ''; display: inline-block; width: 18px; height: 3px; margin-right: 7px; vertical-align: middle; background: var(--line); }
.key .marked { font-weight: 700; }
.key .marked::before { height: 5px; }
.checks { list-style: none; padding: 0; margin-top: 14px; }
.kept::before { content: '✓ '; color: var(--good); font-weight: 700; }
.broken::before { content: '✗ not kept: '; color: var(--limit); font-weight: 700; }
section { background: var(--card); border: 1px solid var(--grid); border-radius: 10px; padding: 20px; margin: 20px 0; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; margin-top: 14px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: .9rem; line-height: 1.45; }
svg { display: block; max-width: 100%; height: auto; }
.narrow { display: none; }
.scroll { overflow-x: auto; }
.scroll + h2 { margin-top: 32px; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
th:first-child { text-align: left; font-weight: 400; color: var(--soft); position: sticky; left: 0; background: var(--card); }
tbody tr:last-child > * { border-bottom: 0; }
@media (max-width: 960px) { .plots { grid-template-columns: 1fr; } }
@media (max-width: 600px) {
  body { padding: 20px 12px 48px; font-size: 15px; }
  section { padding: 14px; }
  table { font-size: .8rem; }
  th, td { padding: 5px 4px; }
  th { white-space: normal; }
  th:first-child { min-width: 84px; }
  .wide { display: none; }
  .narrow { display: block; }
}
@media print { section { break-inside: avoid; } }
`;
