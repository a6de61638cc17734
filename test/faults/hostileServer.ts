import type { Socket } from 'node:net';

/** How far a server behaves before it misbehaves. */
export const PHASES = ['greeting', 'authentication', 'parameters', 'query', 'result'] as const;
export type Phase = (typeof PHASES)[number];

/** Faults of a server. */
export type Misdeed =
  | { readonly do: 'end' | 'reset' | 'fall silent' }
  | { readonly do: 'say'; readonly bytes: Uint8Array; readonly next: 'end' | 'reset' | 'fall silent' | 'go on' };

const message = (code: string, body: Buffer = Buffer.alloc(0)): Buffer => {
  const header = Buffer.alloc(5, code);
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

const AUTHENTICATED = message('R', int32(0));
const PARAMETERS = Buffer.concat([
  message('S', Buffer.from('server_version\0' + '18.4\0')),
  message('K', Buffer.concat([int32(4711), int32(42)])),
]);
const READY = message('Z', Buffer.from('I'));
const ROWS = Buffer.concat([
  message(
    'T',
    Buffer.concat([
      Buffer.from([0, 1]),
      Buffer.from('n\0'),
      Buffer.alloc(6),
      int32(23),
      Buffer.from([0, 4]),
      int32(-1),
      Buffer.from([0, 0]),
    ]),
  ),
  message('D', Buffer.concat([Buffer.from([0, 1]), int32(1), Buffer.from('1')])),
]);
const COMPLETE = Buffer.concat([message('C', Buffer.from('SELECT 1\0')), READY]);

/** An error as PostgreSQL sends it. */
export function errorMessage(severity: string, code: string, text: string): Buffer {
  return message('E', Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${text}\0\0`));
}

/** The messages of a correct server in each phase. */
export const RIGHT: Record<Phase, Buffer> = {
  greeting: Buffer.alloc(0),
  authentication: AUTHENTICATED,
  parameters: Buffer.concat([PARAMETERS, READY]),
  query: ROWS,
  result: COMPLETE,
};

/** Serves one client rightly until the phase, then does the misdeed. */
export function serve(socket: Socket, phase: Phase, misdeed: Misdeed): void {
  let isStarted = false;
  let isSilent = false;
  const speak = (phases: readonly Phase[]) => {
    for (const now of phases) {
      if (isSilent) return;
      if (now === phase) isSilent = commit(socket, misdeed) !== 'go on';
      if (!isSilent) socket.write(RIGHT[now]);
    }
  };
  socket.on('data', (chunk) => {
    const isGoodbye = isStarted && chunk[0] === 'X'.charCodeAt(0);
    if (isGoodbye && !isSilent) return void socket.end();
    speak(isStarted ? PHASES.slice(3) : PHASES.slice(0, 3));
    isStarted = true;
  });
}

function commit(socket: Socket, misdeed: Misdeed): string {
  if (misdeed.do === 'say') socket.write(misdeed.bytes);
  const next = misdeed.do === 'say' ? misdeed.next : misdeed.do;
  if (next === 'end') socket.end();
  if (next === 'reset') socket.resetAndDestroy();
  return next;
}
