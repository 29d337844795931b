// Topic filter → destinations. Filters without wildcards lie in one Map by their text; the others form a trie, a node per
// level. So matching costs one look-up, and then only the wildcard filters' nodes that fit the topic, however many do not.
//
// Memory rules the layout, and so does its speed: what a million filters cost is waiting for memory. `#` and `+` are fields,
// not children; an only child is stored inline; a filter that is alone from some level on keeps the rest of its text there
// instead of nodes; a node that leads nowhere is removed at once. Filters come in validated. Nothing here is recursive.

import {
  collectDestinations,
  type Destination,
  type Destinations,
  destinationOf,
  ownerOf,
  withDestination,
  withoutDestination,
} from './destinations.ts';

const DOLLAR = 0x24;
const HASH = 0x23;
const PLUS = 0x2b;

class TreeNode {
  /** The level that leads here. */
  readonly level: string;
  /** By literal level: none, the only one, or several. */
  children: TreeNode | Map<string, TreeNode> | null = null;
  /** The level `+`. */
  plus: TreeNode | null = null;
  /** Of the filter that ends with this level, or with `rest`. */
  here: Destinations | null = null;
  /** Of the filter that goes on with `#` and so ends. */
  below: Destinations | null = null;
  /** The levels after this one of the only filter that comes here; then there are neither children nor `plus` nor `below`. */
  rest: string | null = null;

  constructor(level: string) {
    this.level = level;
  }
}

export class TopicTree {
  readonly #exact = new Map<string, Destinations>();
  readonly #root = new TreeNode('');
  #nodes = 0;

  /** Nodes of the trie and filters without wildcards: 0 when nothing is subscribed. */
  get nodeCount(): number {
    return this.#nodes + this.#exact.size;
  }

  /** Adds the destination under the filter; returns its owner's former one that it replaces, or null. */
  add(topicFilter: string, destination: Destination): Destination | null {
    const owner = ownerOf(destination);
    if (!hasWildcard(topicFilter)) {
      const all = this.#exact.get(topicFilter) ?? null;
      const previous = destinationOf(all, owner);
      const changed = withDestination(all, destination);
      if (changed !== all) this.#exact.set(topicFilter, changed);
      return previous;
    }
    const node = this.#reach(topicFilter);
    const all = destinationsAt(node, topicFilter);
    const previous = destinationOf(all, owner);
    setDestinationsAt(node, topicFilter, withDestination(all, destination));
    return previous;
  }

  /** Removes exactly that destination and the nodes that lead nowhere without it; false if it is not there. */
  remove(topicFilter: string, destination: Destination): boolean {
    const owner = ownerOf(destination);
    if (!hasWildcard(topicFilter)) {
      const all = this.#exact.get(topicFilter) ?? null;
      if (all === null || destinationOf(all, owner) !== destination) return false;
      const rest = withoutDestination(all, destination);
      if (rest === null) this.#exact.delete(topicFilter);
      else if (rest !== all) this.#exact.set(topicFilter, rest);
      return true;
    }
    const path = this.#path(topicFilter);
    if (path === null) return false;
    const node = path[path.length - 1];
    const all = destinationsAt(node, topicFilter);
    if (all === null || destinationOf(all, owner) !== destination) return false;
    setDestinationsAt(node, topicFilter, withoutDestination(all, destination));
    this.#prune(path);
    return true;
  }

  /**
   * Appends all destinations of all filters that match the topic name to `found`, always in the same order; returns how many
   * filters matched. An owner is found once for each of its filters. MQTT 5 §4.7.
   */
  match(topicName: string, found: Destination[]): number {
    let filters = 0;
    const exact = this.#exact.get(topicName);
    if (exact !== undefined) {
      collectDestinations(exact, found);
      filters = 1;
    }
    const root = this.#root;
    if (root.children === null && root.plus === null && root.below === null) return filters;
    if (topicName.charCodeAt(0) !== DOLLAR) return filters + matchFrom(root, topicName, 0, found);
    // past `+` and `#` of the root [MQTT-4.7.2-1]
    const end = levelEnd(topicName, 0);
    const child = childOf(root, topicName, 0, end);
    return child === null ? filters : filters + matchFrom(child, topicName, end + 1, found);
  }

  /** The node where the filter's destinations are, made if it is missing. */
  #reach(topicFilter: string): TreeNode {
    let node = this.#root;
    let start = 0;
    for (;;) {
      if (node.rest !== null) {
        if (start <= topicFilter.length && topicFilter.slice(start) === node.rest) return node;
        this.#unfold(node);
      }
      if (start > topicFilter.length || topicFilter.charCodeAt(start) === HASH) return node;
      const end = levelEnd(topicFilter, start);
      const next = nextOf(node, topicFilter, start, end);
      if (next === null) return this.#grow(node, topicFilter, start);
      node = next;
      start = end + 1;
    }
  }

  /** The nodes from the root to the one where the filter's destinations are, or null if there is none. */
  #path(topicFilter: string): TreeNode[] | null {
    let node = this.#root;
    const path = [node];
    let start = 0;
    for (;;) {
      if (node.rest !== null) {
        return start <= topicFilter.length && topicFilter.slice(start) === node.rest ? path : null;
      }
      if (start > topicFilter.length || topicFilter.charCodeAt(start) === HASH) return path;
      const end = levelEnd(topicFilter, start);
      const next = nextOf(node, topicFilter, start, end);
      if (next === null) return null;
      path.push(next);
      node = next;
      start = end + 1;
    }
  }

  /** Makes the node for the filter's level at `start`, where all further levels are folded up. */
  #grow(parent: TreeNode, topicFilter: string, start: number): TreeNode {
    const end = levelEnd(topicFilter, start);
    const node = new TreeNode(topicFilter.slice(start, end));
    addChild(parent, node);
    this.#nodes++;
    if (end < topicFilter.length && topicFilter.charCodeAt(end + 1) !== HASH) {
      node.rest = topicFilter.slice(end + 1);
    }
    return node;
  }

  /** Gives the rest of the node's filter a node for its next level, since another filter comes here. */
  #unfold(node: TreeNode): void {
    const rest = node.rest;
    const all = node.here;
    if (rest === null) return;
    node.rest = null;
    node.here = null;
    setDestinationsAt(this.#grow(node, rest, 0), rest, all);
  }

  /** Removes the nodes that lead nowhere, from the end of the path up. */
  #prune(path: readonly TreeNode[]): void {
    for (let i = path.length - 1; i > 0; i--) {
      const node = path[i];
      if (node.children !== null || node.plus !== null) return;
      if (node.here !== null || node.below !== null) return;
      removeChild(path[i - 1], node);
      this.#nodes--;
    }
  }
}

/** Whether a valid topic filter contains `+` or `#`. MQTT 5 §4.7.1. */
function hasWildcard(topicFilter: string): boolean {
  return topicFilter.endsWith('#') || topicFilter.includes('+');
}

/** What the filter that ends at this node leads to. */
function destinationsAt(node: TreeNode, topicFilter: string): Destinations | null {
  return node.rest === null && topicFilter.endsWith('#') ? node.below : node.here;
}

function setDestinationsAt(node: TreeNode, topicFilter: string, all: Destinations | null): void {
  if (node.rest === null && topicFilter.endsWith('#')) node.below = all;
  else node.here = all;
}

/**
 * Matches what the topic name has from `startAt` on, past the slash, below `first`. Follows one path as far as it goes; where
 * a literal and `+` both fit, `+` waits on a stack, which holds at most one node per level.
 */
function matchFrom(
  first: TreeNode,
  topicName: string,
  startAt: number,
  found: Destination[],
): number {
  const waiting: TreeNode[] = [];
  const waitingStarts: number[] = [];
  let filters = 0;
  let node = first;
  let start = startAt;
  for (;;) {
    let next: TreeNode | null = null;
    let end = topicName.length;
    if (node.below !== null) {
      collectDestinations(node.below, found); // the parent level too, §4.7.1.2
      filters++;
    }
    if (node.rest !== null ? fits(node.rest, topicName, start) : start > topicName.length) {
      if (node.here !== null) {
        collectDestinations(node.here, found);
        filters++;
      }
    } else if (node.rest === null) {
      end = levelEnd(topicName, start);
      next = childOf(node, topicName, start, end);
      if (next === null) {
        next = node.plus;
      } else if (node.plus !== null) {
        waiting.push(node.plus);
        waitingStarts.push(end + 1);
      }
    }
    if (next !== null) {
      node = next;
      start = end + 1;
      continue;
    }
    const resumed = waiting.pop();
    if (resumed === undefined) return filters;
    node = resumed;
    start = waitingStarts.pop() ?? 0;
  }
}

/** Whether the levels of a filter's rest match those that the topic name has from `nameStart` on. */
function fits(rest: string, topicName: string, nameStart: number): boolean {
  let start = nameStart;
  let at = 0;
  while (at <= rest.length) {
    const code = rest.charCodeAt(at);
    if (code === HASH) return true; // the parent level too, §4.7.1.2
    if (start > topicName.length) return false;
    const restEnd = levelEnd(rest, at);
    const end = levelEnd(topicName, start);
    if (code !== PLUS) {
      if (restEnd - at !== end - start) return false;
      for (let i = at; i < restEnd; i++) {
        if (rest.charCodeAt(i) !== topicName.charCodeAt(start + i - at)) return false;
      }
    }
    at = restEnd + 1;
    start = end + 1;
  }
  return start > topicName.length;
}

/** Where the level that begins at `start` ends: at the next slash, or with the text. */
function levelEnd(text: string, start: number): number {
  const slash = text.indexOf('/', start);
  return slash < 0 ? text.length : slash;
}

/** The child for the literal level `text[start..end)`, or null. */
function childOf(node: TreeNode, text: string, start: number, end: number): TreeNode | null {
  const children = node.children;
  if (children === null) return null;
  if (!(children instanceof TreeNode)) return children.get(text.slice(start, end)) ?? null;
  const level = children.level;
  return level.length === end - start && text.startsWith(level, start) ? children : null;
}

/** The child for a level of a filter, or null. */
function nextOf(node: TreeNode, topicFilter: string, start: number, end: number): TreeNode | null {
  if (topicFilter.charCodeAt(start) === PLUS) return node.plus;
  return childOf(node, topicFilter, start, end);
}

function addChild(node: TreeNode, child: TreeNode): void {
  const children = node.children;
  if (child.level === '+') {
    node.plus = child;
  } else if (children === null) {
    node.children = child;
  } else if (children instanceof TreeNode) {
    node.children = new Map([
      [children.level, children],
      [child.level, child],
    ]);
  } else {
    children.set(child.level, child);
  }
}

function removeChild(node: TreeNode, child: TreeNode): void {
  const children = node.children;
  if (node.plus === child) {
    node.plus = null;
  } else if (children instanceof Map) {
    children.delete(child.level);
    if (children.size > 1) return;
    for (const only of children.values()) node.children = only;
  } else {
    node.children = null;
  }
}
