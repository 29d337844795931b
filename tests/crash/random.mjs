// Numbers that look random and come again with the seed.

export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
    for (let i = 0; i < 4; i++) this.below(2);
  }

  /** 0 to `limit` - 1 */
  below(limit) {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 4_294_967_296) * limit);
  }

  between(low, high) {
    return low + this.below(high - low + 1);
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}
