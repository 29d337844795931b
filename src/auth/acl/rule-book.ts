// Rules in order, of which the first that fits decides: what every kind of them comes down to, a Mosquitto file, the rules of
// the configuration, the permissions in a token. Asked for one client it looks only at rules filed under its names and under
// levels of the topic, however many there are.
//
// A SUBSCRIBE is judged by filters alone. It is refused if every allow's part of it is empty or inside one earlier deny, and it
// is whole if one allow covers it and no earlier deny touches it. What several denies hide together goes through: then the
// deliveries are refused one by one.

import type { QoS } from '../../protocol/packet.ts';
import { covers, intersection } from './filter-algebra.ts';
import { FilterIndex } from './filter-index.ts';
import {
  type FilterTemplate,
  fillFilter,
  type KnownClient,
  type LookUp,
} from './filter-template.ts';
import { ByScope, type Scope } from './scope.ts';

/** Bits, which a rule may have several of. */
export const Action = { Publish: 1, Subscribe: 2, Receive: 4 } as const;
export type Action = (typeof Action)[keyof typeof Action];

/** A SUBSCRIBE is about deliveries to come. */
const DELIVERY = Action.Subscribe | Action.Receive;

/** One rule. */
export interface Rule {
  readonly isAllow: boolean;
  /** Bits of `Action`. */
  readonly actions: number;
  readonly topics: readonly FilterTemplate[];
  /** A PUBLISH with a higher QoS does not fit. */
  readonly qosMax: QoS;
  /** Which PUBLISH fits by its retain flag. */
  readonly retain: 'any' | 'only' | 'never';
  readonly scope: Scope;
  /** As it is written, for people. */
  readonly text: string;
  readonly file: string | null;
  readonly line: number | null;
}

/** What is known of a SUBSCRIBE before anything is delivered. */
export interface Ruling {
  readonly outcome: 'allow' | 'deny' | 'undecided';
  /** The deny that covers all of it, where that decides. */
  readonly deny: Rule | null;
  readonly qosMax: QoS;
  readonly isWhole: boolean;
}

/** An allow that a SUBSCRIBE has to do with, and the earlier deny that leaves nothing of it, if there is one. */
export interface Reason {
  readonly allow: Rule;
  readonly deny: Rule | null;
}

/** A topic filter of a rule. Its id is its place among all of them, in the order of the rules. */
interface Entry {
  readonly rule: Rule;
  readonly topic: FilterTemplate;
}

export class RuleBook {
  readonly #entries: Entry[] = [];
  readonly #indexes: ByScope<FilterIndex>;
  readonly #lookUp: LookUp;
  readonly #isBarred: (client: KnownClient) => boolean;
  /** Ids found by the question that is being answered: questions are answered at once. */
  readonly #found: number[] = [];

  /** `isBarred` says for which clients rules that are about everybody do not count; by default they count for all. */
  constructor(rules: readonly Rule[], lookUp: LookUp, isBarred = (_: KnownClient) => false) {
    this.#lookUp = lookUp;
    this.#isBarred = isBarred;
    this.#indexes = new ByScope(() => new FilterIndex(lookUp));
    for (const rule of rules) {
      const places = this.#indexes.placesOf(rule.scope);
      for (const topic of rule.topics) {
        const id = this.#entries.push({ rule, topic }) - 1;
        for (const place of places) place.add(topic, id);
      }
    }
  }

  /** The rule that decides about a PUBLISH, or about a delivery, whose QoS and retain flag do not matter. */
  decide(
    client: KnownClient,
    action: typeof Action.Publish | typeof Action.Receive,
    topicName: string,
    qos: QoS = 0,
    retain = false,
  ): Rule | null {
    const found = this.#found;
    found.length = 0;
    for (const index of this.#indexesFor(client)) index.match(topicName, client, found);
    let first = this.#entries.length;
    for (let i = 0; i < found.length; i++) {
      const id = found[i];
      if (id >= first) continue;
      const { rule } = this.#entries[id];
      if ((rule.actions & action) === 0) continue;
      if (action === Action.Publish && !fitsPublish(rule, qos, retain)) continue;
      if (rule.scope.has(client)) first = id;
    }
    return first === this.#entries.length ? null : this.#entries[first].rule;
  }

  /** What comes of a SUBSCRIBE with this filter, which is without `$share`. */
  judge(client: KnownClient, topicFilter: string): Ruling {
    const filter = topicFilter.split('/');
    const covering = this.#firstCovering(client, filter, this.#entries.length, true);
    const met = this.#meeting(client, filter);
    let qosMax: QoS | null = null;
    for (let i = 0; i < met.length && qosMax !== 2; i++) {
      const { rule } = this.#entries[met[i]];
      if (!isAllowToSubscribe(rule) || (qosMax !== null && rule.qosMax <= qosMax)) continue;
      const common = this.#common(client, met[i], filter);
      if (common === null) continue;
      if (this.#firstCovering(client, common, met[i], false) === null) qosMax = rule.qosMax;
    }
    /** Whether a rule with that effect, before the one that covers the filter, has a say in some of it. */
    const isShared = (isAllow: boolean) =>
      covering === null ||
      met.some(
        (id) =>
          id < covering.id &&
          this.#entries[id].rule.isAllow === isAllow &&
          this.#common(client, id, filter) !== null,
      );
    if (qosMax !== null) {
      const isWhole = covering?.rule.isAllow === true && !isShared(false);
      return { outcome: 'allow', deny: null, qosMax, isWhole };
    }
    const deny = covering?.rule.isAllow === false && !isShared(true) ? covering.rule : null;
    return { outcome: deny === null ? 'undecided' : 'deny', deny, qosMax: 0, isWhole: false };
  }

  /** The first allow by which something would be delivered, or else the first one that a deny leaves nothing of. */
  reasonOf(client: KnownClient, topicFilter: string): Reason | null {
    const filter = topicFilter.split('/');
    let hidden: Reason | null = null;
    for (const id of this.#meeting(client, filter).sort((a, b) => a - b)) {
      const { rule } = this.#entries[id];
      if (!isAllowToSubscribe(rule)) continue;
      const common = this.#common(client, id, filter);
      if (common === null) continue;
      const earlier = this.#firstCovering(client, common, id, false);
      if (earlier === null) return { allow: rule, deny: null };
      if (!earlier.rule.isAllow) hidden ??= { allow: rule, deny: earlier.rule };
    }
    return hidden;
  }

  /** Whether a delivery of something that matches the filter may be refused by a rule. */
  mayDeny(client: KnownClient, topicFilter: string): boolean {
    const filter = topicFilter.split('/');
    return this.#meeting(client, filter).some(
      (id) => !this.#entries[id].rule.isAllow && this.#common(client, id, filter) !== null,
    );
  }

  #indexesFor(client: KnownClient): FilterIndex[] {
    const indexes = this.#indexes.placesFor(client);
    if (!this.#isBarred(client)) indexes.push(this.#indexes.forAll);
    return indexes;
  }

  /** The ids of all entries that may have topics in common with the filter, in no order, some of them twice. */
  #meeting(client: KnownClient, filter: readonly string[]): number[] {
    const found: number[] = [];
    for (const index of this.#indexesFor(client)) index.meet(filter, client, found);
    return found;
  }

  /** What the entry, if it is about the client's deliveries, has in common with the filter; null: nothing. */
  #common(client: KnownClient, id: number, filter: readonly string[]): readonly string[] | null {
    const { rule, topic } = this.#entries[id];
    if ((rule.actions & DELIVERY) === 0 || !rule.scope.has(client)) return null;
    const filled = fillFilter(topic, client, this.#lookUp);
    return filled === null ? null : intersection(filled, filter);
  }

  /**
   * The first entry with an id below `end` that decides about all deliveries of the filter at once, or null. An allow for
   * deliveries alone counts if `withReceive` says so: it takes nothing from a later allow to subscribe.
   */
  #firstCovering(
    client: KnownClient,
    filter: readonly string[],
    end: number,
    withReceive: boolean,
  ): { readonly id: number; readonly rule: Rule } | null {
    const found = this.#found;
    found.length = 0;
    for (const index of this.#indexesFor(client)) index.cover(filter, client, found);
    let first = end;
    for (const id of found) {
      if (id >= first) continue;
      const { rule, topic } = this.#entries[id];
      const actions = rule.isAllow && !withReceive ? Action.Subscribe : DELIVERY;
      if ((rule.actions & actions) === 0 || !rule.scope.has(client)) continue;
      const filled = fillFilter(topic, client, this.#lookUp);
      if (filled !== null && covers(filled, filter)) first = id;
    }
    return first === end ? null : { id: first, rule: this.#entries[first].rule };
  }
}

/** The bits of what a rule names: whoever may subscribe gets what it subscribed to. */
export function actionBits(actions: readonly string[]): number {
  let bits = 0;
  for (const action of actions) {
    if (action === 'publish') bits |= Action.Publish;
    if (action === 'subscribe') bits |= DELIVERY;
    if (action === 'receive') bits |= Action.Receive;
  }
  return bits;
}

function isAllowToSubscribe({ isAllow, actions }: Rule): boolean {
  return isAllow && (actions & Action.Subscribe) !== 0;
}

function fitsPublish(rule: Rule, qos: QoS, retain: boolean): boolean {
  if (qos > rule.qosMax) return false;
  return rule.retain === 'any' || (rule.retain === 'only') === retain;
}
