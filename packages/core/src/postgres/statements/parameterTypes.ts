/**
 * Types whose values another type would read alike, or refuse. A statement keeps the types that its parameters had when it was prepared, and where
 * a column has changed since, PostgreSQL converts in silence: a kept `date` cuts the time off what is now compared with a `timestamptz`, a kept
 * `numeric` is compared where an `int` would have been refused. With these types such a comparison has no operator, which is an error, and the
 * query is run again; the rest is the look's to find.
 */
const LOSSLESS = new Set([
  ...[16, 1000], // boolean
  ...[17, 1001], // bytea
  ...[20, 1016, 21, 1005, 23, 1007], // bigint, smallint, int
  ...[25, 1009, 1043, 1015], // text, varchar
  ...[114, 199, 3802, 3807], // json, jsonb
  ...[2950, 2951], // uuid
]);

/** Whether a statement with parameters of these types may be kept. */
export function areLossless(types: readonly number[]): boolean {
  return types.every((type) => LOSSLESS.has(type));
}
