import type { PgClient } from '../pgTypes.js';
import { LOOK_MARK } from './catalog.js';
import { onSubmit } from './onSubmit.js';
import { isPreparing, textOf } from './pgInternals.js';

const texts = new WeakMap<object, string>();

/** From now on the text of the client's last query is known. */
export function rememberLastStatement(client: PgClient): void {
  if (!isPreparing(client)) return;
  onSubmit(client, {
    before(query) {
      const text = textOf(query);
      if (text !== undefined && !text.startsWith(LOOK_MARK)) texts.set(client, text);
    },
  });
}

/** The text of what the client sent last, without parameter values. */
export function lastStatement(client: PgClient): string | undefined {
  return texts.get(client);
}
