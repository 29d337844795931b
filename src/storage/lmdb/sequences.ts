// The queue of one session as the store knows it: nothing but ascending sequence numbers, 8 bytes each. They leave at the front
// mostly, now and then in the middle.

/** Front entries that may lie unused before they are cut off. */
const SLACK_MAX = 64;

/** Where the number is in an ascending list, or where it would be as -1 - place. */
export function search(numbers: readonly number[], number: number, start: number): number {
  let low = start;
  let high = numbers.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle] === number) return middle;
    if (numbers[middle] < number) low = middle + 1;
    else high = middle - 1;
  }
  return -1 - low;
}

export class Sequences {
  #numbers: number[] = [];
  #head = 0;

  get length(): number {
    return this.#numbers.length - this.#head;
  }

  /** The smallest; only when there is one. */
  get first(): number {
    return this.#numbers[this.#head];
  }

  /** Larger than all there are. */
  push(number: number): void {
    this.#numbers.push(number);
  }

  has(number: number): boolean {
    return search(this.#numbers, number, this.#head) >= 0;
  }

  /** False when it was not there. */
  remove(number: number): boolean {
    const numbers = this.#numbers;
    if (this.length > 0 && numbers[this.#head] === number) {
      this.#head++;
      if (this.#head === numbers.length) {
        this.#numbers = [];
        this.#head = 0;
      } else if (this.#head > SLACK_MAX && this.#head * 2 > numbers.length) {
        this.#numbers = numbers.slice(this.#head);
        this.#head = 0;
      }
      return true;
    }
    const place = search(numbers, number, this.#head);
    if (place < 0) return false;
    numbers.splice(place, 1);
    return true;
  }

  /** Takes up to `max` from the end. */
  takeLast(max: number): number[] {
    const start = Math.max(this.#head, this.#numbers.length - max);
    return this.#numbers.splice(start);
  }
}
