declare module 'pgpass' {
  /** Passes on the password of the first matching line of the password file. */
  export default function pgpass(connection: object, done: (password: string | undefined) => void): void;
}
