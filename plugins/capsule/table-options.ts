/** What tables were given as options of their own, by `keep`. */
import type { Registry } from './registry.ts';

export interface TableOptions {
  readonly batchSize?: number;
  readonly retentionDays?: number;
}

export class AllTableOptions {
  readonly #byTable = new Map<string, TableOptions>();

  set(table: string, options: TableOptions): void {
    this.#byTable.set(table, options);
  }

  /** Takes them as the file has them. */
  load(rows: ReturnType<Registry['demanded']>): void {
    for (const { table, options } of rows) {
      if (options !== null) this.#byTable.set(table, JSON.parse(options) as TableOptions);
    }
  }

  rename(table: string, newName: string): void {
    const options = this.#byTable.get(table);
    this.#byTable.delete(table);
    if (options !== undefined) this.#byTable.set(newName, options);
  }

  /** The smallest batch size that any table asks for. */
  get batchSize(): number | undefined {
    const sizes = [...this.#byTable.values()].flatMap(({ batchSize }) => batchSize ?? []);
    return sizes.length === 0 ? undefined : Math.min(...sizes);
  }

  /** Tables that keep their rows for another time than the rest, in days. */
  get retentionDays(): ReadonlyMap<string, number> {
    const days = new Map<string, number>();
    for (const [table, { retentionDays }] of this.#byTable) {
      if (retentionDays !== undefined) days.set(table, retentionDays);
    }
    return days;
  }
}
