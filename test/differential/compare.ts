import type { Script, Step } from './script.js';
import type { Flavour, Session, Side } from './sessions.js';

/** The result of one step, in a form that can be compared as text. */
export interface Outcome {
  readonly step: Step;
  readonly gave: string;
}

/** A case in which Tenure may differ from stock on purpose. */
interface Rule {
  readonly name: string;
  readonly allows: (stock: Outcome, tenure: Outcome) => boolean;
}

const RULES: readonly Rule[] = [];

const HUNG_AFTER_S = 30;
/** Rolls a transaction back, where that is what the script says. */
const ROLLED_BACK = new Error('rolled back');

/** Runs a script on one side, and what happens elsewhere on the same database. */
export async function play(
  side: Side,
  script: Script,
  elsewhere: (text: string) => Promise<unknown>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const note = async (step: Step, work: () => Promise<unknown>) => {
    outcomes.push({ step, gave: await inTime(work()) });
  };
  const run = async (steps: readonly Step[], session: Session): Promise<void> => {
    for (const step of steps) {
      if (step.do === 'query') await note(step, () => session.query(step.text, step.values));
      else if (step.do === 'elsewhere') await note(step, () => elsewhere(step.text));
      else if (step.do === 'session') await side.session((one) => run(step.steps, one));
      else if (step.do === 'wait') await new Promise((resolve) => setTimeout(resolve, step.forMs));
      else await note(step, () => transact(step, session));
    }
  };
  const transact = async ({ steps, end }: Extract<Step, { do: 'transaction' }>, session: Session) => {
    const rolledBack = await session
      .transaction(async (one) => {
        await run(steps, one);
        if (end === 'rollback') throw ROLLED_BACK;
      })
      .catch((error) => {
        if (error !== ROLLED_BACK) throw error;
        return true;
      });
    return rolledBack ?? false;
  };
  await run(script.steps, side);
  return outcomes;
}

async function inTime(work: Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  // Second by second: a process that stood still for a while has not waited.
  const late = new Promise<string>((resolve) => {
    let seconds = 0;
    timer = setInterval(() => ++seconds >= HUNG_AFTER_S && resolve('hung'), 1_000);
  });
  const gave = await Promise.race([
    work.then(
      (value) => print(value),
      (error) => `error ${stateOf(error)}`,
    ),
    late,
  ]);
  clearInterval(timer);
  return gave;
}

/** The SQLSTATE, which Prisma keeps inside; the message if no server has sent the error. */
function stateOf(error: unknown): string {
  const { code, meta, cause, message } = error as {
    code?: string;
    message: string;
    meta?: { code?: string; driverAdapterError?: { cause?: { originalCode?: string } } };
    cause?: { originalCode?: string };
  };
  const state = meta?.driverAdapterError?.cause?.originalCode ?? cause?.originalCode ?? meta?.code ?? code;
  return state ?? message.split('\n').at(-1)!;
}

function print(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner)) ?? String(value);
}

/** The first difference that no rule allows, in words. */
export function difference(stock: readonly Outcome[], tenure: readonly Outcome[]): string | undefined {
  for (const [index, expected] of stock.entries()) {
    const outcome = tenure[index]!;
    if (expected.gave === outcome.gave || RULES.some(({ allows }) => allows(expected, outcome))) continue;
    return `step ${index + 1}: ${print(expected.step)}\n  stock:  ${expected.gave}\n  Tenure: ${outcome.gave}`;
  }
  return undefined;
}

export const FLAVOURS: readonly Flavour[] = ['stock', 'tenure'];
