// One event-loop turn: read → route → commit → write. Whatever gets dirty during a turn is put on a list; the first one arms
// a single setImmediate, and that ends the turn: first the store's batch, then one write per dirty connection, then those
// who stopped reading because their share of the turn was used up go on.

/** Has output to write at the end of this turn. */
export interface Dirty {
  /** Never throws. */
  endTurn(): void;
}

/** Has work left for the next turn. */
export interface Waiting {
  /** Never throws. */
  nextTurn(): void;
}

/** Bytes of output in one turn, over all connections, after which nobody reads on before the next turn. */
const TURN_OUTPUT_BYTES_MAX = 16 * 1_048_576;
/** The same for retained topics that are looked at for new subscriptions. */
const TURN_VISITS_MAX = 10_000;

export class Tick {
  /** Number of the current turn. */
  turn = 1;
  /** Bytes appended to outputs in this turn. */
  outputBytes = 0;
  /** The same of all turns before this one. */
  pastOutputBytes = 0;
  /** Retained topics looked at in this turn. */
  visits = 0;
  /** Called before the writes; the store's commit. Null while nothing is stored. */
  commit: (() => void) | null = null;
  #dirty: Dirty[] = [];
  #waiting: Waiting[] = [];
  #spareDirty: Dirty[] = [];
  #isArmed = false;
  readonly #end = () => this.#endTurn();

  /** The caller takes care not to be on the list twice. */
  markDirty(item: Dirty): void {
    this.#dirty.push(item);
    this.arm();
  }

  /** Calls back after this turn's writes. The caller takes care not to be on the list twice. */
  waitForNextTurn(item: Waiting): void {
    this.#waiting.push(item);
    this.arm();
  }

  /** Sees to it that this turn ends. */
  arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#end);
  }

  /** This turn has done all the work it may. */
  get isExhausted(): boolean {
    return this.outputBytes > TURN_OUTPUT_BYTES_MAX || this.visits > TURN_VISITS_MAX;
  }

  #endTurn(): void {
    this.#isArmed = false;
    if (this.commit !== null) this.commit();
    const dirty = this.#dirty;
    this.#dirty = this.#spareDirty;
    for (let i = 0; i < dirty.length; i++) dirty[i].endTurn();
    dirty.length = 0;
    this.#spareDirty = dirty;
    this.turn++;
    this.pastOutputBytes += this.outputBytes;
    this.outputBytes = 0;
    this.visits = 0;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < waiting.length; i++) {
      if (this.isExhausted) {
        // Who did not get to go is first in the next turn, before those who come again.
        this.#waiting = waiting.slice(i).concat(this.#waiting);
        this.arm();
        return;
      }
      waiting[i].nextTurn();
    }
  }
}
