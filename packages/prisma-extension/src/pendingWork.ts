import type { Adapter } from './adapterErrors.js';

/** Requests and transactions that have begun and not ended. */
export class PendingWork {
  readonly #pending = new Set<Promise<unknown>>();

  /** Counts this work until it settles. */
  add<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work);
    const remove = () => void this.#pending.delete(work);
    work.then(remove, remove);
    return work;
  }

  /** Resolves when all work that is pending at the time of the call has ended. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  /** Counts the transactions of an adapter, from the request for one to its commit or rollback. */
  addTransactionsOf(adapter: Adapter): void {
    const start = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (isolationLevel) => {
      let end!: () => void;
      void this.add(
        new Promise<void>((resolve) => {
          end = resolve;
        }),
      );
      try {
        const transaction = await start(isolationLevel);
        const { commit, rollback } = transaction;
        transaction.commit = () => commit.call(transaction).finally(end);
        transaction.rollback = () => rollback.call(transaction).finally(end);
        return transaction;
      } catch (error) {
        end();
        throw error;
      }
    };
  }
}
