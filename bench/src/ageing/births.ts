import pg from 'pg';

/** When a connect was begun. */
export type Birth = number;

/** Records every connect of this process from now on, whoever makes it. */
export function recordBirths(): readonly Birth[] {
  const births: Birth[] = [];
  const connect = pg.Client.prototype.connect;
  pg.Client.prototype.connect = function (this: pg.Client, ...args: unknown[]) {
    births.push(performance.now());
    return Reflect.apply(connect, this, args);
  } as typeof connect;
  return births;
}
