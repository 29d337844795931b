// How long things took, as counts: a fixed size however many there are, to be added up over processes. A bucket is at most
// 1/64 wide of what it holds, so a percentile is right to 1.6 %; the longest is kept as it is.

const STEPS_BITS = 6;
const STEPS = 1 << STEPS_BITS;
/** Buckets for a whole number of microseconds up to 2^32, over an hour. */
const SIZE = (33 - STEPS_BITS) * STEPS;

export class Histogram {
  counts = new Uint32Array(SIZE);
  count = 0;
  maxUs = 0;

  /** What another process sent. @param {{ counts: Uint32Array, count: number, maxUs: number }} found */
  static from(found) {
    return Object.assign(new Histogram(), found);
  }

  /** @param {number} us less than zero counts as zero */
  record(us) {
    const value = us < 0 ? 0 : us;
    this.count++;
    if (value > this.maxUs) this.maxUs = value;
    this.counts[bucketOf(value)]++;
  }

  /** @param {Histogram} other */
  add(other) {
    for (let i = 0; i < SIZE; i++) this.counts[i] += other.counts[i];
    this.count += other.count;
    if (other.maxUs > this.maxUs) this.maxUs = other.maxUs;
  }

  /** Microseconds that the part `q` of all did not exceed: the upper end of their bucket. NaN without any. */
  quantile(q) {
    if (this.count === 0) return Number.NaN;
    const wanted = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    for (let i = 0; i < SIZE; i++) {
      seen += this.counts[i];
      if (seen >= wanted) return Math.min(this.maxUs, upperEndOf(i));
    }
    return this.maxUs;
  }

  /** In milliseconds. */
  percentiles() {
    return {
      p50: this.quantile(0.5) / 1_000,
      p90: this.quantile(0.9) / 1_000,
      p99: this.quantile(0.99) / 1_000,
      p999: this.quantile(0.999) / 1_000,
      max: this.count === 0 ? Number.NaN : this.maxUs / 1_000,
    };
  }
}

/** The first 2 × STEPS buckets are a microsecond wide, then each power of two has STEPS of them. */
function bucketOf(us) {
  const whole = us > 0xffff_ffff ? 0xffff_ffff : Math.floor(us);
  const shift = 31 - Math.clz32(whole) - STEPS_BITS;
  return shift <= 0 ? whole : shift * STEPS + (whole >>> shift);
}

function upperEndOf(bucket) {
  const shift = Math.floor(bucket / STEPS) - 1;
  return shift <= 0 ? bucket + 1 : (bucket - shift * STEPS + 1) * 2 ** shift;
}
