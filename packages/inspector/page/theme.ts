/** The colours of the drawings, which the style sheet sets for light and dark. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const dark = matchMedia('(prefers-color-scheme: dark)');

/** @returns a function that stops it */
export function onThemeChange(run: () => void): () => void {
  dark.addEventListener('change', run);
  return () => dark.removeEventListener('change', run);
}
