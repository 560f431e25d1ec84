/**
 * How long a plugin took to come up, as a tree: loading, evaluating, activating, and in that the scopes it opened.
 *
 * Invariants: a span ends with the last thing that was done in it; when the outermost has ended, nothing is added any more,
 * so what a plugin does while it runs is neither measured nor kept.
 */
import type { Clock } from '../clock.ts';

/** A span of time, in ms, and the spans inside it. */
export interface TimingNode {
  readonly label: string;
  readonly ms: number;
  readonly children: readonly TimingNode[];
}

/** A plugin that opens more scopes than these at its start, side by side, is told of the first. */
const MOST_CHILDREN = 100;

/** The time in which something is being set up. */
export class Span {
  readonly #label: string;
  readonly #clock: Clock;
  readonly #parent: Span | undefined;
  readonly #begun: number;
  readonly #children: Span[] = [];
  #last: number;
  #over = false;

  constructor(label: string, clock: Clock, parent?: Span) {
    this.#label = label;
    this.#clock = clock;
    this.#parent = parent;
    this.#begun = clock.now();
    this.#last = this.#begun;
  }

  /** A span inside this one; undefined where none is measured any more. */
  child(label: string): Span | undefined {
    if (this.#isOver() || this.#children.length >= MOST_CHILDREN) return undefined;
    const child = new Span(label, this.#clock, this);
    this.#children.push(child);
    return child;
  }

  /** Something has been done in it. */
  mark(): void {
    if (!this.#isOver()) this.#last = this.#clock.now();
  }

  /** Ends it, and all that are inside. */
  end(): TimingNode {
    this.mark();
    this.#over = true;
    return this.#node();
  }

  #isOver(): boolean {
    return this.#over || (this.#parent !== undefined && this.#parent.#isOver());
  }

  #node(): TimingNode {
    const children = this.#children.map((child) => child.#node());
    return { label: this.#label, ms: this.#last - this.#begun, children };
  }
}
