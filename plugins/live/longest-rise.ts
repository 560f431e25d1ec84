/** The longest strictly rising subsequence: patience sorting, O(n log n). */

/** The indexes of its members, in order. `[3, 1, 2]` gives `[1, 2]`. */
export function longestRise(numbers: readonly number[]): number[] {
  /** By length, less one, the index of the smallest number with which a rise of that length ends. */
  const ends: number[] = [];
  const before = new Array<number>(numbers.length).fill(-1);
  numbers.forEach((number, index) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[ends[middle] as number] as number) < number) low = middle + 1;
      else high = middle;
    }
    before[index] = low === 0 ? -1 : (ends[low - 1] as number);
    ends[low] = index;
  });
  const rise: number[] = [];
  for (let index = ends.at(-1) ?? -1; index >= 0; index = before[index] as number) rise.push(index);
  return rise.reverse();
}
