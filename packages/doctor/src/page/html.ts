/** Markup that is already safe; everything else is escaped when it goes into a template. */
export class Markup {
  constructor(readonly text: string) {}
}

type Part = string | number | Markup | readonly Markup[];

export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...parts.map(safe)));
}

function safe(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (Array.isArray(part)) return part.map((markup: Markup) => markup.text).join('\n');
  const unbroken = String(part).replaceAll(' × ', '\u00a0×\u00a0');
  return unbroken.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
