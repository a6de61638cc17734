/** This process’s environment with the language C: tests read what programs print, and initdb fails when a language is not installed. */
export function plainEnv(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', LANG: 'C' };
}
