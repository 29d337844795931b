// How long something took, as plain counts: one for each bucket. Observing costs some comparisons and no allocation.

export class DurationCounts {
  /** Upper bounds of the buckets, ascending; what took longer is in one more at the end. */
  readonly boundsSeconds: readonly number[];
  /** Of each bucket alone, not of those below it. */
  readonly counts: number[];
  sumSeconds = 0;

  constructor(boundsSeconds: readonly number[]) {
    this.boundsSeconds = boundsSeconds;
    this.counts = new Array<number>(boundsSeconds.length + 1).fill(0);
  }

  observe(seconds: number): void {
    const { boundsSeconds } = this;
    let i = 0;
    while (i < boundsSeconds.length && seconds > boundsSeconds[i]) i++;
    this.counts[i]++;
    this.sumSeconds += seconds;
  }
}
