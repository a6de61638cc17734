import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { project } from './packed.js';

/** The code printed under a heading of a Markdown file, in fences of this language, in order. */
export async function printed(file: string, heading: string, language: string): Promise<string[]> {
  const markdown = await readFile(join(project, file), 'utf8');
  const sections = markdown.split(/^#+ /m);
  const section = sections.find((one) => one.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${file} has no heading "${heading}"`);
  const fences = section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'));
  return Array.from(fences, ([, code]) => code!);
}

/** The same code with `require`; CommonJS has no `await` at its top level either. */
export function asCommonJs(code: string): string {
  const required = code.replace(/^import (.+) from ('.+');/gm, 'const $1 = require($2);').replace(/^export /gm, '');
  return `(async () => {\n${required}\n})();\n`;
}
