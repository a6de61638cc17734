declare module 'pgpass' {
  /** Looks into the password file for the first line that fits. */
  export default function pgpass(connection: object, done: (password: string | undefined) => void): void;
}
