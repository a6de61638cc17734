import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A process that answers questions one after the other. */
export interface AskedProcess<Question, Answer> {
  ask(question: Question): Promise<Answer>;
  stop(): void;
}

/** Starts a compiled script that calls `answerQuestions`. */
export async function startAsked<Question extends object, Answer>(
  entry: URL,
  name: string,
  args: readonly string[],
): Promise<AskedProcess<Question, Answer>> {
  const child = fork(fileURLToPath(entry), args, { execArgv: [] });
  const died = once(child, 'exit').then(() => {
    throw new Error(`The process of ${name} has ended.`);
  });
  died.catch(() => {});
  const answer = async () => {
    const [message] = await Promise.race([once(child, 'message'), died]);
    return message;
  };
  await answer();
  return {
    ask: (question) => {
      const answered = answer();
      child.send(question);
      return answered;
    },
    stop: () => {
      if (child.connected) child.disconnect();
    },
  };
}

/** Reports that the process is ready, and answers questions until the parent disconnects. */
export function answerQuestions<Question, Answer>(answer: (question: Question) => Promise<Answer>): void {
  process.on('message', async (question: Question) => process.send!(await answer(question)));
  process.on('disconnect', () => process.exit());
  process.send!('ready');
}
