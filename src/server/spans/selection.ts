// Which messages are traced. Operators say so, by whom and to which topics they are published; never a client: that it asks for
// it changes nothing.

import { Glob } from '../../lib/glob.ts';
import { matchesFilter } from '../../protocol/filter.ts';
import type { TracingOptions } from './options.ts';

export class Selection {
  readonly #clients: readonly Glob[];
  readonly #topics: readonly string[];
  readonly #ratio: number;
  readonly #random: () => number;
  /** The topic last asked about, and the answer: messages of one topic come together. */
  #topicName = '';
  #found: string | null = null;

  /** `random`: from 0 to 1, without 1. It is the server's own dice: a trace id would be the client's. */
  constructor(
    { clients, topics, ratio }: Pick<TracingOptions, 'clients' | 'topics' | 'ratio'>,
    random: () => number,
  ) {
    this.#clients = clients.map((pattern) => new Glob(pattern));
    this.#topics = topics;
    this.#ratio = ratio;
    this.#random = random;
  }

  /** The filter that selects a message of that publisher, '' where none had to; null: it is not traced. */
  filterOf(clientId: string, topicName: string): string | null {
    if (this.#clients.length > 0 && !this.#clients.some((glob) => glob.matches(clientId))) {
      return null;
    }
    const filter = this.#topics.length === 0 ? '' : this.#matching(topicName);
    if (filter === null || this.#ratio >= 1) return filter;
    return this.#random() < this.#ratio ? filter : null;
  }

  #matching(topicName: string): string | null {
    if (topicName !== this.#topicName) {
      this.#topicName = topicName;
      this.#found = this.#topics.find((filter) => matchesFilter(topicName, filter)) ?? null;
    }
    return this.#found;
  }
}
