// What a topic filter leads to: subscriptions and shared groups, at most one of each owner. A million filters have one
// destination each, a few have a hundred thousand, so the shape grows with the number: the destination itself, an exact
// array, a Map. Order is the order of subscribing; a replaced destination keeps its place.

import { SharedGroup } from './shared-subscription.ts';
import type { Subscription } from './subscription.ts';

export type Destination = Subscription | SharedGroup;

/** One, a few, or many. */
export type Destinations = Destination | Destination[] | Map<object, Destination>;

/** Above this an array becomes a Map: leaving must not cost more where more subscribe. */
const ARRAY_MAX = 8;

/** Whose destination it is: a session has one per filter, and so has a group. [MQTT-3.8.4-3] */
export function ownerOf(destination: Destination): object {
  return destination instanceof SharedGroup ? destination : destination.subscriber;
}

/** The destination of that owner, or null. */
export function destinationOf(all: Destinations | null, owner: object): Destination | null {
  if (all === null) return null;
  if (all instanceof Map) return all.get(owner) ?? null;
  if (!Array.isArray(all)) return ownerOf(all) === owner ? all : null;
  for (const destination of all) if (ownerOf(destination) === owner) return destination;
  return null;
}

/** Adds the destination, or puts it in the place of its owner's former one. */
export function withDestination(all: Destinations | null, added: Destination): Destinations {
  if (all === null) return added;
  const owner = ownerOf(added);
  if (all instanceof Map) return all.set(owner, added);
  if (!Array.isArray(all)) return ownerOf(all) === owner ? added : [all, added];
  for (let i = 0; i < all.length; i++) {
    if (ownerOf(all[i]) !== owner) continue;
    all[i] = added;
    return all;
  }
  if (all.length < ARRAY_MAX) return [...all, added]; // a literal has no spare room, `push` leaves 16 slots
  const many = new Map<object, Destination>();
  for (const destination of all) many.set(ownerOf(destination), destination);
  return many.set(owner, added);
}

/** What is left without that destination, which is among them; null when nothing is. */
export function withoutDestination(all: Destinations, removed: Destination): Destinations | null {
  if (all instanceof Map) {
    all.delete(ownerOf(removed));
    return all.size > ARRAY_MAX / 2 ? all : [...all.values()];
  }
  if (!Array.isArray(all)) return null;
  const rest = all.filter((destination) => destination !== removed);
  return rest.length === 1 ? rest[0] : rest;
}

/** Appends them to `found`. */
export function collectDestinations(all: Destinations, found: Destination[]): void {
  if (all instanceof Map) {
    for (const destination of all.values()) found.push(destination);
  } else if (Array.isArray(all)) {
    for (let i = 0; i < all.length; i++) found.push(all[i]);
  } else {
    found.push(all);
  }
}
