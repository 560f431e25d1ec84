/**
 * Queries that somebody subscribes to, found by the tables they read.
 *
 * Invariant: what no such query reads is not looked at.
 */
import { fold } from './access.ts';
import type { Query } from './query.ts';
import type { Shape } from './shape.ts';
import type { Touched } from './touched.ts';

export class Awake {
  readonly #shapes = new Map<string, Set<Shape>>();

  add(query: Query): void {
    const { shape } = query;
    shape.wake(query);
    if (shape.awake.size > 1) return;
    for (const { table } of shape.dependencies) {
      const name = fold(table);
      const shapes = this.#shapes.get(name) ?? new Set<Shape>();
      this.#shapes.set(name, shapes.add(shape));
    }
  }

  remove(query: Query): void {
    const { shape } = query;
    shape.sleep(query);
    if (shape.awake.size > 0) return;
    for (const [name, shapes] of this.#shapes) {
      shapes.delete(shape);
      if (shapes.size === 0) this.#shapes.delete(name);
    }
  }

  /** Those that may have another result now. */
  concerned(touched: Touched): Query[] {
    const shapes = new Set<Shape>();
    for (const table of touched.tables) for (const shape of this.#shapes.get(table) ?? []) shapes.add(shape);
    return [...shapes].flatMap((shape) => [...shape.concernedBy(touched)]);
  }

  clear(): void {
    this.#shapes.clear();
  }
}
