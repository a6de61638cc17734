import pg from 'pg';

/** The moment at which a connect began. */
export type Birth = number;

/** Records every connect of this process from now on, of every library. */
export function recordBirths(): readonly Birth[] {
  const births: Birth[] = [];
  const connect = pg.Client.prototype.connect;
  pg.Client.prototype.connect = function (this: pg.Client, ...args: unknown[]) {
    births.push(performance.now());
    return Reflect.apply(connect, this, args);
  } as typeof connect;
  return births;
}
