import { randomUUID } from 'node:crypto';

/** Of a hundred sign-ups, so many violate the unique key. */
export const TAKEN_PERCENT = 30;
/** Many, so that it is never one row that all contend for. */
const TAKEN = 1_000;

/** SQL that makes the table and the emails that are taken. */
export function signUpsTable(schema: string): string {
  return `
    create table ${schema}.sign_ups (id int generated always as identity primary key, email text not null unique);
    insert into ${schema}.sign_ups (email) select 'taken' || n || '@example.com' from generate_series(1, ${TAKEN}) n;`;
}

/** Gives each request its email: of every ten, spread evenly, three that are taken. */
export function emailSource(): () => string {
  let requests = 0;
  return () => ((requests++ * TAKEN_PERCENT) % 100 < TAKEN_PERCENT ? takenEmail() : `${randomUUID()}@example.com`);
}

function takenEmail(): string {
  return `taken${1 + Math.floor(Math.random() * TAKEN)}@example.com`;
}
