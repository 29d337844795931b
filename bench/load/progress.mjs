// How far each flow has got with all who hear it: what a closed loop waits for. Every process counts for the receivers it has and
// tells the process of the publisher, by way of the parent; the slowest process counts there.

export class Progress {
  /** By flow: messages that all receivers of all processes have. */
  completed;
  #window;
  #here;
  /** By flow and number modulo window: receivers of this process that do not have it yet. */
  #left;
  /** By flow: messages that all receivers of this process have. */
  #completedHere;
  /** By process: what it last said of each flow; null for those that have no receivers of ours. */
  #byProcess;
  #self;
  /** By flow: the process that publishes it. */
  #publishedBy;
  /** By process: flows to tell it of. @type {Set<number>[]} */
  #untold;

  /** @param {import('./plan.mjs').Plan} plan @param {number} processes @param {number} self @param {number} window */
  constructor(plan, processes, self, window) {
    const { flowCount, clients } = plan;
    this.#window = window;
    this.#self = self;
    this.completed = new Uint32Array(flowCount);
    this.#completedHere = new Uint32Array(flowCount);
    this.#publishedBy = new Uint16Array(flowCount);
    this.#untold = Array.from({ length: processes }, () => new Set());
    this.#here = new Uint32Array(flowCount);
    /** Without a number of its own a process has no receiver of the flow, and is never behind. */
    this.#byProcess = Array.from({ length: processes }, () =>
      new Uint32Array(flowCount).fill(0xffff_ffff),
    );
    for (const { home, heard, published } of clients) {
      for (let f = heard.first; f < heard.first + heard.count; f++) {
        this.#byProcess[home][f] = 0;
        if (home === self) this.#here[f]++;
      }
      for (let f = published.first; f < published.first + published.count; f++) {
        this.#publishedBy[f] = home;
      }
    }
    this.#left = new Uint32Array(flowCount * window);
    for (let i = 0; i < this.#left.length; i++) this.#left[i] = this.#here[Math.floor(i / window)];
  }

  /** One receiver of this process has got everything before `end`; it had everything before `start`. */
  advance(flow, start, end) {
    let completed = this.#completedHere[flow];
    if (this.#here[flow] === 1) completed = end;
    else {
      for (let number = start; number < end; number++) {
        const at = flow * this.#window + (number % this.#window);
        if (--this.#left[at] > 0) continue;
        this.#left[at] = this.#here[flow];
        completed = number + 1; // each gets them in order, so all before it are complete, too
      }
    }
    if (completed === this.#completedHere[flow]) return;
    this.#completedHere[flow] = completed;
    const publisher = this.#publishedBy[flow];
    if (publisher === this.#self) this.#note(this.#self, flow, completed);
    else {
      this.#untold[publisher].add(flow);
      this.onUntold();
    }
  }

  /** What other processes must know: `[flow, completed, flow, completed …]` for each of them. */
  *takeUntold() {
    for (const [to, flows] of this.#untold.entries()) {
      if (flows.size === 0) continue;
      const progress = new Uint32Array(flows.size * 2);
      let at = 0;
      for (const flow of flows) {
        progress[at++] = flow;
        progress[at++] = this.#completedHere[flow];
      }
      flows.clear();
      yield { to, progress };
    }
  }

  /** What another process says. @param {number} from @param {Uint32Array} progress */
  hear(from, progress) {
    for (let i = 0; i < progress.length; i += 2) this.#note(from, progress[i], progress[i + 1]);
  }

  /** There is something for `takeUntold`. */
  onUntold() {}

  /** Told when a flow of this process got on. @param {number} _flow @param {number} _messages */
  onCompleted(_flow, _messages) {}

  #note(process, flow, completed) {
    this.#byProcess[process][flow] = completed;
    let least = completed;
    for (const known of this.#byProcess) if (known[flow] < least) least = known[flow];
    const more = least - this.completed[flow];
    if (more <= 0) return;
    this.completed[flow] = least;
    this.onCompleted(flow, more);
  }
}
