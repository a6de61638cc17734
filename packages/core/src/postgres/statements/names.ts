import { createHash } from 'node:crypto';

/** The longest text that is kept to recognise a query by; of a longer one its hash is. */
const LONGEST_KEY = 2_048;
/** 96 bits: no two texts of one session will meet. */
const NAME_DIGITS = 24;

/** What a query text is recognised by: a short one by itself, so that nothing is hashed for it again and again. */
export function keyOf(text: string): string {
  return text.length > LONGEST_KEY ? hash(text) : text;
}

/** The name of a text's statement: the same in every process and on every connection. */
export function nameOf(text: string): string {
  return `tenure_${hash(text).slice(0, NAME_DIGITS)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
