/**
 * A value as text, so that two texts are equal only if the values mean the same to a pool: plain data goes by content, a function or an
 * instance of a class by which one it is.
 *
 * @param numberOf names an object
 */
export function describe(value: unknown, numberOf: (object: object) => number): string {
  const within: object[] = [];
  const text = (part: unknown): string => {
    if (typeof part === 'function') return `#${numberOf(part)}`;
    if (typeof part === 'symbol') return `symbol ${String(Symbol.keyFor(part) ?? numberOf(Object(part)))}`;
    if (typeof part !== 'object' || part === null) return scalar(part);
    if (ArrayBuffer.isView(part))
      return `bytes ${Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('hex')}`;
    if (!isPlain(part) || within.includes(part)) return `#${numberOf(part)}`;
    within.push(part);
    const described = Array.isArray(part) ? `[${part.map(text).join()}]` : `{${fields(part).map(text).join()}}`;
    within.pop();
    return described;
  };
  return text(value);
}

function scalar(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : `${typeof value} ${Object.is(value, -0) ? 0 : value}`;
}

/** Names and values, in the order of the names. What is hidden from enumeration counts: `pg` hides keys and passwords. */
function fields(object: object): unknown[] {
  const values = object as Record<string, unknown>;
  const names = Object.getOwnPropertyNames(object).filter((name) => values[name] !== undefined);
  return names.sort().map((name) => [name, values[name]]);
}

/** Whether an object is nothing but its content. One of another realm is not: its prototype is not ours. */
function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object);
  if (prototype !== null && prototype !== Object.prototype && prototype !== Array.prototype) return false;
  const properties = Object.values(Object.getOwnPropertyDescriptors(object));
  return Object.getOwnPropertySymbols(object).length === 0 && properties.every((property) => 'value' in property);
}
