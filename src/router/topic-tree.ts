// Topic filter → destinations. Filters without wildcards lie in one Map by their text; the others form a trie, a node per
// level. So matching costs one look-up, and then only the wildcard filters' nodes that fit the topic, however many do not.
//
// Memory rules the layout: a million filters are a million nodes. `#` and `+` are fields, not children; an only child is
// stored inline; a node that leads nowhere is removed at once. Filters come in validated. Nothing here is recursive.

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

class TreeNode {
  /** The level that leads here. */
  readonly level: string;
  /** By literal level: none, the only one, or several. */
  children: TreeNode | Map<string, TreeNode> | null = null;
  /** The level `+`. */
  plus: TreeNode | null = null;
  /** Of the filter that ends with this level. */
  here: Destinations | null = null;
  /** Of the filter that goes on with `#`. */
  below: Destinations | null = null;

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
    if (topicFilter.endsWith('#')) {
      const previous = destinationOf(node.below, owner);
      node.below = withDestination(node.below, destination);
      return previous;
    }
    const previous = destinationOf(node.here, owner);
    node.here = withDestination(node.here, destination);
    return previous;
  }

  /** Removes exactly that destination and the nodes that lead nowhere without it; false if it is not there. */
  remove(topicFilter: string, destination: Destination): boolean {
    if (!hasWildcard(topicFilter)) {
      const all = this.#exact.get(topicFilter) ?? null;
      if (all === null || destinationOf(all, ownerOf(destination)) !== destination) return false;
      const rest = withoutDestination(all, destination);
      if (rest === null) this.#exact.delete(topicFilter);
      else if (rest !== all) this.#exact.set(topicFilter, rest);
      return true;
    }
    const path = this.#path(topicFilter);
    if (path === null) return false;
    const node = path[path.length - 1];
    const isMulti = topicFilter.endsWith('#');
    const all = isMulti ? node.below : node.here;
    if (all === null || destinationOf(all, ownerOf(destination)) !== destination) return false;
    if (isMulti) node.below = withoutDestination(all, destination);
    else node.here = withoutDestination(all, destination);
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
    const levels = topicName.split('/');
    if (topicName.charCodeAt(0) !== DOLLAR) return filters + matchFrom(root, 0, levels, found);
    const child = childOf(root, levels[0]); // past `+` and `#` of the root [MQTT-4.7.2-1]
    return child === null ? filters : filters + matchFrom(child, 1, levels, found);
  }

  /** The node of the filter, made if it is missing; of a filter that ends with `#`, the node of the level before. */
  #reach(topicFilter: string): TreeNode {
    let node = this.#root;
    for (const level of topicFilter.split('/')) {
      if (level === '#') break;
      let next = level === '+' ? node.plus : childOf(node, level);
      if (next === null) {
        next = new TreeNode(level);
        this.#nodes++;
        if (level === '+') node.plus = next;
        else addChild(node, next);
      }
      node = next;
    }
    return node;
  }

  /** The nodes from the root to the filter's, or null if it has none. */
  #path(topicFilter: string): TreeNode[] | null {
    let node = this.#root;
    const path = [node];
    for (const level of topicFilter.split('/')) {
      if (level === '#') break;
      const next = level === '+' ? node.plus : childOf(node, level);
      if (next === null) return null;
      node = next;
      path.push(node);
    }
    return path;
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
export function hasWildcard(topicFilter: string): boolean {
  return topicFilter.endsWith('#') || topicFilter.includes('+');
}

/**
 * Matches the levels from `depth` on below `start`. Follows one path as far as it goes; where a literal and `+` both fit, `+`
 * waits on a stack, which holds at most one node per level.
 */
function matchFrom(
  start: TreeNode,
  startDepth: number,
  levels: readonly string[],
  found: Destination[],
): number {
  const waiting: TreeNode[] = [];
  const waitingDepths: number[] = [];
  let filters = 0;
  let node = start;
  let depth = startDepth;
  for (;;) {
    if (node.below !== null) {
      collectDestinations(node.below, found); // the parent level too, §4.7.1.2
      filters++;
    }
    let next: TreeNode | null = null;
    if (depth === levels.length) {
      if (node.here !== null) {
        collectDestinations(node.here, found);
        filters++;
      }
    } else {
      next = childOf(node, levels[depth]);
      if (next === null) {
        next = node.plus;
      } else if (node.plus !== null) {
        waiting.push(node.plus);
        waitingDepths.push(depth + 1);
      }
    }
    if (next !== null) {
      node = next;
      depth++;
      continue;
    }
    const resumed = waiting.pop();
    if (resumed === undefined) return filters;
    node = resumed;
    depth = waitingDepths.pop() ?? 0;
  }
}

function childOf(node: TreeNode, level: string): TreeNode | null {
  const children = node.children;
  if (children === null) return null;
  if (children instanceof TreeNode) return children.level === level ? children : null;
  return children.get(level) ?? null;
}

function addChild(node: TreeNode, child: TreeNode): void {
  const children = node.children;
  if (children === null) {
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
