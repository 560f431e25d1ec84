/**
 * Decisions, read one by one from a list of numbers.
 *
 * Invariant: the same numbers give the same decisions, and 0, which also stands behind the end, is always the plainest one:
 * what fast-check shortens becomes plainer.
 */
import fc from 'fast-check';

export class Choices {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /** From 0 up to, not including, `below`. */
  next(below: number): number {
    const value = this.#numbers[this.#at] ?? 0;
    this.#at += 1;
    return value % below;
  }

  pick<T>(plainestFirst: readonly [T, ...T[]] | readonly T[]): T {
    return plainestFirst[this.next(plainestFirst.length)] as T;
  }

  /** True in so many of a hundred cases. */
  chance(percent: number): boolean {
    return this.next(100) >= 100 - percent;
  }

  /** One of several ways, each as often as its weight says. */
  weigh<T>(ways: readonly (readonly [weight: number, way: () => T])[]): T {
    let left = this.next(ways.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, way] of ways) {
      if (left < weight) return way();
      left -= weight;
    }
    throw new Error('no way is left');
  }

  many<T>(least: number, most: number, make: (index: number) => T): T[] {
    return Array.from({ length: least + this.next(most - least + 1) }, (_, index) => make(index));
  }
}

/** Numbers for so many decisions. */
export const numbers = (count: number): fc.Arbitrary<number[]> =>
  fc.array(fc.noBias(fc.nat({ max: 99_999 })), { minLength: count, maxLength: count, size: 'max' });
