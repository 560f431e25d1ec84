/**
 * `Kysely` whose transactions are the host's.
 *
 * Invariants: the function given to `transaction().execute` runs inside a transaction of the host, so that everything it
 * awaits belongs to it: queries of `trx`, of this instance, and the host's own calls. Instances derived from this one
 * (`withPlugin`, `withSchema` …) keep that.
 */
import { GlyphError } from 'glyphcase/sdk';
import { ConnectionBuilder, Kysely, TransactionBuilder } from 'kysely';
import type { AccessMode, DrainOuterGeneric, IsolationLevel, KyselyPlugin, KyselyProps, Transaction } from 'kysely';
import type { ConnectionParts } from './connection.ts';
import { HostDialect, HostDriver } from './dialect.ts';

type Tables = Record<string, Record<string, unknown>>;
type TransactionProps = ConstructorParameters<typeof TransactionBuilder>[0];
/** Makes the instance that everybody shares. */
export function createHostKysely<DB>(parts: ConnectionParts): HostKysely<DB> {
  const dialect = new HostDialect(parts);
  const config = { dialect };
  const executor = new Kysely<DB>(config).getExecutor();
  return new HostKysely<DB>({ config, dialect, executor, driver: new HostDriver(parts) }, parts);
}

export class HostKysely<DB> extends Kysely<DB> {
  readonly #props: KyselyProps;
  readonly #parts: ConnectionParts;

  constructor(props: KyselyProps, parts: ConnectionParts) {
    super(props);
    this.#props = props;
    this.#parts = parts;
  }

  override transaction(): TransactionBuilder<DB> {
    return new HostTransactionBuilder<DB>(this.#props, this.#parts);
  }

  override startTransaction(): never {
    throw new GlyphError(
      'GC_NOT_SUPPORTED',
      'startTransaction() is not available on the connection of a GlyphCase host',
      {
        hint: 'Use transaction().execute(fn): a transaction that nobody ends would stop every writer of the host.',
      },
    );
  }

  override connection(): ConnectionBuilder<DB> {
    return new HostConnectionBuilder<DB>(this.#props, (plain) => this.#derived(plain));
  }

  override destroy(): Promise<void> {
    const message = 'The instance of the service `kysely` is shared, and ends with its plugin';
    return Promise.reject(new GlyphError('GC_NOT_SUPPORTED', message, { hint: 'Leave destroy() out.' }));
  }

  override withPlugin(plugin: KyselyPlugin): HostKysely<DB> {
    return this.#derived(super.withPlugin(plugin));
  }

  override withoutPlugins(): HostKysely<DB> {
    return this.#derived(super.withoutPlugins());
  }

  override withSchema(schema: string): HostKysely<DB> {
    return this.#derived(super.withSchema(schema));
  }

  override $extendTables<T extends Tables>(): Kysely<DrainOuterGeneric<DB & T>> {
    return this.#derived(super.$extendTables<T>());
  }

  override $omitTables<T extends keyof DB>(): Kysely<DB extends object ? Omit<DB, T> : DB> {
    return this.#derived(super.$omitTables<T>());
  }

  override $pickTables<T extends keyof DB>(): Kysely<DB extends object ? Pick<DB, T> : DB> {
    return this.#derived(super.$pickTables<T>());
  }

  override withTables<T extends Tables>(): Kysely<DrainOuterGeneric<DB & T>> {
    return this.$extendTables<T>();
  }

  #derived<T>(plain: Kysely<T>): HostKysely<T> {
    return new HostKysely<T>({ ...this.#props, executor: plain.getExecutor() }, this.#parts);
  }
}

/** What it hands out begins transactions as the instance does: migrations ask for it. */
class HostConnectionBuilder<DB> extends ConnectionBuilder<DB> {
  readonly #derived: (plain: Kysely<DB>) => Kysely<DB>;

  constructor(props: KyselyProps, derived: (plain: Kysely<DB>) => Kysely<DB>) {
    super(props);
    this.#derived = derived;
  }

  override execute<T>(
    callback: (db: Kysely<DB>) => Promise<T>,
    options?: Parameters<ConnectionBuilder<DB>['execute']>[1],
  ): Promise<T> {
    return super.execute((plain) => callback(this.#derived(plain)), options);
  }
}

class HostTransactionBuilder<DB> extends TransactionBuilder<DB> {
  readonly #props: TransactionProps;
  readonly #parts: ConnectionParts;

  constructor(props: TransactionProps, parts: ConnectionParts) {
    super(props);
    this.#props = props;
    this.#parts = parts;
  }

  override setAccessMode(accessMode: AccessMode): TransactionBuilder<DB> {
    return new HostTransactionBuilder<DB>({ ...this.#props, accessMode }, this.#parts);
  }

  override setIsolationLevel(isolationLevel: IsolationLevel): TransactionBuilder<DB> {
    return new HostTransactionBuilder<DB>({ ...this.#props, isolationLevel }, this.#parts);
  }

  override execute<T>(callback: (trx: Transaction<DB>) => Promise<T>): Promise<T> {
    const { db, opening, assertOpen } = this.#parts;
    assertOpen();
    return db.transaction(() => opening.run({ taken: false }, () => super.execute(callback)));
  }
}
