// Who may handshake now, who waits, and who gets neither. A handshake costs a thousand times what a message costs, so only so
// many go on at once, one address holds at most its share of them, and the others wait in a bounded queue that serves one
// address after the other. When the queue is full, the address with the longest line pays: what a storm from a few addresses
// brings is not taken from the places of the rest.

/** Who wants a slot. It is told at once or later, never both things. */
export interface Claimant {
  /** The address, as limits count addresses. */
  readonly slotKey: string;
  /** The slot is its own until it leaves. */
  onSlot(): void;
  /** The queue is full and its place is gone. */
  onCrowdedOut(): void;
}

/** All of one address. */
class Line {
  readonly key: string;
  held = 0;
  /** In the order they came. */
  readonly waiting = new Set<Claimant>();

  constructor(key: string) {
    this.key = key;
  }
}

export class Slots {
  readonly #slotsMax: number;
  readonly #perAddressMax: number;
  readonly #waitingMax: number;
  readonly #lines = new Map<string, Line>();
  /** Lines in which somebody waits; the next to be served is the first. */
  readonly #waitingLines = new Set<Line>();
  readonly #holders = new Set<Claimant>();
  #waiting = 0;
  #isServing = false;

  constructor(slotsMax: number, perAddressMax: number, waitingMax: number) {
    this.#slotsMax = slotsMax;
    this.#perAddressMax = perAddressMax;
    this.#waitingMax = waitingMax;
  }

  get held(): number {
    return this.#holders.size;
  }

  get waiting(): number {
    return this.#waiting;
  }

  claim(claimant: Claimant): void {
    const key = claimant.slotKey;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = new Line(key);
      this.#lines.set(key, line);
    }
    line.waiting.add(claimant);
    this.#waitingLines.add(line);
    this.#waiting++;
    this.#serve();
    if (this.#waiting > this.#waitingMax) this.#crowdOut(line, claimant);
  }

  /** Gives back the slot or the place in the queue; whoever has neither any more may call it too. */
  leave(claimant: Claimant): void {
    const line = this.#lines.get(claimant.slotKey);
    if (line === undefined) return;
    if (line.waiting.has(claimant)) {
      this.#takeOut(line, claimant);
    } else if (this.#holders.delete(claimant)) {
      line.held--;
      this.#forgetIfEmpty(line);
      this.#serve();
    }
  }

  /** Who gets a slot may give it back from within the call: then this goes on with the next, it does not begin anew. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      while (this.#holders.size < this.#slotsMax) {
        const claimant = this.#next();
        if (claimant === null) break;
        claimant.onSlot();
      }
    } finally {
      this.#isServing = false;
    }
  }

  /** The next in the line whose turn it is; lines that hold their share are passed over, of which there are only a few. */
  #next(): Claimant | null {
    for (const line of this.#waitingLines) {
      if (line.held >= this.#perAddressMax) continue;
      for (const claimant of line.waiting) {
        line.held++;
        this.#holders.add(claimant);
        this.#takeOut(line, claimant);
        // To the end: the others come first now.
        if (this.#waitingLines.delete(line)) this.#waitingLines.add(line);
        return claimant;
      }
    }
    return null;
  }

  #takeOut(line: Line, claimant: Claimant): void {
    line.waiting.delete(claimant);
    this.#waiting--;
    if (line.waiting.size > 0) return;
    this.#waitingLines.delete(line);
    this.#forgetIfEmpty(line);
  }

  #forgetIfEmpty(line: Line): void {
    if (line.held === 0 && line.waiting.size === 0) this.#lines.delete(line.key);
  }

  /** One too many waits: the newcomer if its line is as long as any, else the one that waits longest in the longest line. */
  #crowdOut(newcomers: Line, newcomer: Claimant): void {
    let longest = newcomers;
    // Above the average there is nobody to look for: in a storm from few addresses this is what happens, and it is cheap.
    if (newcomers.waiting.size * this.#waitingLines.size <= this.#waiting) {
      for (const line of this.#waitingLines) {
        if (line.waiting.size > longest.waiting.size) longest = line;
      }
    }
    let victim = newcomer;
    if (longest !== newcomers) {
      for (const claimant of longest.waiting) {
        victim = claimant;
        break;
      }
    }
    this.#takeOut(longest, victim);
    victim.onCrowdedOut();
  }
}
