// Writes src/page.generated.ts: the whole page as one string, and the hashes of its script and its style for the security policy.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));

const { outputFiles } = await build({
  entryPoints: [pathOf('main.tsx')],
  outdir: pathOf('.'),
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  charset: 'utf8',
  // The page imports the package's types, and no code that runs.
  conditions: ['@tenure/source'],
});
const textOf = (extension) => outputFiles.find(({ path }) => path.endsWith(extension)).text.trim();
// An end tag within a string would end the script element.
const script = textOf('.js').replaceAll('</', '<\\/');
const style = textOf('.css');

const hashOf = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`;
// Both packages have the MIT license, whose text must go with each copy.
const licenses = await Promise.all(
  ['preact', 'uplot'].map(async (name) => {
    const path = createRequire(import.meta.url).resolve(`${name}/package.json`);
    return `${name}\n${(await readFile(path.replace(/package\.json$/, 'LICENSE'), 'utf8')).trim()}`;
  }),
);
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tenure: connection pools</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 4h12M2 8h8M2 12h10' stroke='%230d8f80' stroke-width='3' stroke-linecap='round'/%3E%3C/svg%3E">
<style>${style}</style>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<div id="page"></div>
<script>${script}</script>
</body>
</html>
<!-- Contains:

${licenses.join('\n\n')}
-->
`;

const constants = { PAGE: page, SCRIPT_HASH: hashOf(script), STYLE_HASH: hashOf(style) };
const lines = Object.entries(constants).map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};`);
const target = pathOf('../src/page.generated.ts');
const text = `// Made by page/build.js.\n${lines.join('\n')}\n`;
// Not written when nothing has changed: a checkout may be read-only, and watchers would restart.
if ((await readFile(target, 'utf8').catch(() => '')) !== text) await writeFile(target, text);
