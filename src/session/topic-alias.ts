// Topic aliases, MQTT 5 §3.3.2.3.4. Inbound: the client's table of this connection. Outbound: the server's choice, the topics
// sent most recently to this connection. Both die with the connection.

import type { Topic } from '../protocol/topic.ts';

/** What the client's aliases stand for. */
export class InboundAliases {
  readonly #topics: (Topic | undefined)[] = [];

  set(alias: number, topic: Topic): void {
    this.#topics[alias] = topic;
  }

  get(alias: number): Topic | undefined {
    return this.#topics[alias];
  }
}

/** Topics shorter than this on the wire gain nothing by an alias. */
const WIRE_LENGTH_MIN = 6;

/** Aliases towards the client: the least recently used topic gives its alias to a new one. */
export class OutboundAliases {
  readonly #maximum: number;
  readonly #aliases = new Map<Topic, number>();
  /** The alias that `take` returned stands for its topic already: the topic itself need not be sent. */
  isKnown = false;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** The alias for a topic that is now being sent, 0 if it gets none; sets `isKnown`. [MQTT-3.1.2-26] */
  take(topic: Topic): number {
    this.isKnown = false;
    if (topic.wire.length < WIRE_LENGTH_MIN) return 0;
    const known = this.#aliases.get(topic);
    if (known !== undefined) {
      this.isKnown = true;
      if (this.#aliases.size === this.#maximum) {
        this.#aliases.delete(topic);
        this.#aliases.set(topic, known);
      }
      return known;
    }
    let alias = this.#aliases.size + 1;
    if (alias > this.#maximum) {
      const oldest = this.#aliases.entries().next();
      if (oldest.done === true) return 0;
      alias = oldest.value[1];
      this.#aliases.delete(oldest.value[0]);
    }
    this.#aliases.set(topic, alias);
    return alias;
  }

  /** What each alias stands for now. */
  topics(): ReadonlyMap<number, string> {
    return new Map(Array.from(this.#aliases, ([topic, alias]) => [alias, topic.name]));
  }
}
