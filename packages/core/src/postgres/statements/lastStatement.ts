import type { PgClient } from '../pgTypes.js';
import { onSubmit } from './onSubmit.js';
import { isPreparing, type PgQuery } from './pgInternals.js';

const texts = new WeakMap<object, string>();

/** From now on the text of the client's last query is known. */
export function rememberLastStatement(client: PgClient): void {
  if (!isPreparing(client)) return;
  onSubmit(client, {
    before(query) {
      const text = textOf(query);
      if (text !== undefined) texts.set(client, text);
    },
  });
}

/** The text of what the client sent last, without parameter values. */
export function lastStatement(client: PgClient): string | undefined {
  return texts.get(client);
}

/** A stream holds its cursor, which holds the text. */
function textOf(query: PgQuery & { readonly cursor?: PgQuery }): string | undefined {
  const text = query.text ?? query.cursor?.text;
  return typeof text === 'string' ? text : undefined;
}
