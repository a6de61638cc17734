/** This process’s environment, but for the language: what programs print is read, and a language that is not installed stops initdb. */
export function plainEnv(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', LANG: 'C' };
}
