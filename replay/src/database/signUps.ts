import { randomUUID } from 'node:crypto';

/** The share of the sign-ups that violate the unique key. */
export const TAKEN_PERCENT = 30;
/** Many, so that callers do not wait for the lock of one row. */
const TAKEN = 1_000;

/** SQL that makes the table and the emails that are taken. */
export function signUpsTable(schema: string): string {
  return `
    create table ${schema}.sign_ups (id int generated always as identity primary key, email text not null unique);
    insert into ${schema}.sign_ups (email) select 'taken' || n || '@example.com' from generate_series(1, ${TAKEN}) n;`;
}

/** Gives each request its email. Of every ten, three are taken, spread evenly. */
export function emailSource(): () => string {
  let requests = 0;
  return () => ((requests++ * TAKEN_PERCENT) % 100 < TAKEN_PERCENT ? takenEmail() : `${randomUUID()}@example.com`);
}

function takenEmail(): string {
  return `taken${1 + Math.floor(Math.random() * TAKEN)}@example.com`;
}
