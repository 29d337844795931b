// Topic filters of rules → their ids: finds those that match a topic name, have something in common with a filter, or cover
// one, without looking at those that cannot. A trie with a node per level, as the router has one, but made once and asked for
// a client: levels with placeholders are children of their own, compared with what stands in them for that client.
//
// `match` is exact. The other two may find more than there is: whoever asks takes the filter algebra to the few that are left.

import {
  type FilterTemplate,
  fill,
  isReserved,
  type KnownClient,
  type LookUp,
  type Template,
} from './filter-template.ts';

const DOLLAR = 0x24;

interface TemplateChild {
  readonly template: Template;
  readonly node: IndexNode;
}

class IndexNode {
  /** The level that leads here. */
  readonly level: string;
  /** By literal level: none, the only one, or several. */
  children: IndexNode | Map<string, IndexNode> | null = null;
  /** The level `+`. */
  plus: IndexNode | null = null;
  /** By the text of the level. */
  templates: Map<string, TemplateChild> | null = null;
  /** Ids of the filters that end here, ascending. */
  here: number[] | null = null;
  /** Ids of the filters that go on with `#` and so end. */
  below: number[] | null = null;

  constructor(level: string) {
    this.level = level;
  }
}

export class FilterIndex {
  readonly #root = new IndexNode('');
  readonly #lookUp: LookUp;

  constructor(lookUp: LookUp) {
    this.#lookUp = lookUp;
  }

  /** Ids are added in ascending order. */
  add(filter: FilterTemplate, id: number): void {
    let node = this.#root;
    for (const level of filter.levels) {
      if (level === '#') {
        node.below ??= [];
        node.below.push(id);
        return;
      }
      node = childFor(node, level);
    }
    node.here ??= [];
    node.here.push(id);
  }

  /** Appends the ids of all filters that match the topic name for this client. MQTT 5 §4.7 */
  match(topicName: string, client: KnownClient, found: number[]): void {
    const isReservedName = topicName.charCodeAt(0) === DOLLAR;
    const nodes = [this.#root];
    const starts = [0];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const start = starts.pop() ?? 0;
      const isBarred = isReservedName && node === this.#root; // [MQTT-4.7.2-1]
      if (!isBarred) collect(node.below, found); // the parent level too, §4.7.1.2
      if (start > topicName.length) {
        collect(node.here, found);
        continue;
      }
      const slash = topicName.indexOf('/', start);
      const end = slash < 0 ? topicName.length : slash;
      const child = childAt(node, topicName, start, end);
      if (child !== null) {
        nodes.push(child);
        starts.push(end + 1);
      }
      if (node.plus !== null && !isBarred) {
        nodes.push(node.plus);
        starts.push(end + 1);
      }
      if (node.templates === null) continue;
      for (const { template, node: next } of node.templates.values()) {
        if (isBarred && !isReserved(template)) continue;
        const text = fill(template, client, this.#lookUp);
        if (text === null || !isAt(text, topicName, start)) continue;
        nodes.push(next);
        starts.push(start + text.length + 1);
      }
    }
  }

  /** Appends the ids of all filters that may have topics in common with this one. */
  meet(filter: readonly string[], client: KnownClient, found: number[]): void {
    const nodes = [this.#root];
    const depths = [0];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() ?? 0;
      const level = filter[depth];
      if (level === '#') {
        collectAll(node, found);
        continue;
      }
      collect(node.below, found);
      if (depth === filter.length) {
        collect(node.here, found);
        continue;
      }
      const before = nodes.length;
      if (level === '+') pushAll(nodes, node);
      else pushIf(nodes, childAt(node, level, 0, level.length));
      pushIf(nodes, node.plus);
      this.#pushTemplates(node, level, client, nodes, found);
      for (let i = before; i < nodes.length; i++) depths.push(depth + 1);
    }
  }

  /** Appends the ids of all filters that may cover this one. */
  cover(filter: readonly string[], client: KnownClient, found: number[]): void {
    const nodes = [this.#root];
    const depths = [0];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() ?? 0;
      const level = filter[depth];
      collect(node.below, found);
      if (depth === filter.length) collect(node.here, found);
      if (level === '#') collect(node.plus?.below ?? null, found); // `+/#` covers `#`
      if (depth === filter.length || level === '#') continue;
      const before = nodes.length;
      pushIf(nodes, node.plus);
      if (level !== '+') {
        pushIf(nodes, childAt(node, level, 0, level.length));
        this.#pushTemplates(node, level, client, nodes, found);
      }
      for (let i = before; i < nodes.length; i++) depths.push(depth + 1);
    }
  }

  /** Children by placeholders that may fit the level of a filter. */
  #pushTemplates(
    node: IndexNode,
    level: string,
    client: KnownClient,
    nodes: IndexNode[],
    found: number[],
  ): void {
    if (node.templates === null) return;
    for (const { template, node: next } of node.templates.values()) {
      const text = fill(template, client, this.#lookUp);
      if (text === null) continue;
      // Several levels, which only Mosquitto's rules may become, are left to the algebra.
      if (text.includes('/')) collectAll(next, found);
      else if (level === '+' || level === text) nodes.push(next);
    }
  }
}

/** The node below for the level of a filter, made if there is none. */
function childFor(node: IndexNode, level: string | Template): IndexNode {
  if (level === '+') {
    node.plus ??= new IndexNode(level);
    return node.plus;
  }
  if (typeof level !== 'string') {
    node.templates ??= new Map();
    const known = node.templates.get(level.text);
    const child = known?.node ?? new IndexNode(level.text);
    if (known === undefined) node.templates.set(level.text, { template: level, node: child });
    return child;
  }
  const known = childAt(node, level, 0, level.length);
  if (known !== null) return known;
  const child = new IndexNode(level);
  const { children } = node;
  if (children === null) {
    node.children = child;
  } else if (children instanceof IndexNode) {
    node.children = new Map([
      [children.level, children],
      [level, child],
    ]);
  } else {
    children.set(level, child);
  }
  return child;
}

/** The child for the literal level `text[start..end)`, or null. */
function childAt(node: IndexNode, text: string, start: number, end: number): IndexNode | null {
  const { children } = node;
  if (children === null) return null;
  if (!(children instanceof IndexNode)) return children.get(text.slice(start, end)) ?? null;
  const { level } = children;
  return level.length === end - start && text.startsWith(level, start) ? children : null;
}

/** Whether whole levels of the topic name, from `start` on, are `text`. */
function isAt(text: string, topicName: string, start: number): boolean {
  const end = start + text.length;
  return (
    topicName.startsWith(text, start) &&
    (end === topicName.length || topicName.charCodeAt(end) === 0x2f)
  );
}

function pushIf(nodes: IndexNode[], node: IndexNode | null): void {
  if (node !== null) nodes.push(node);
}

function pushAll(nodes: IndexNode[], { children }: IndexNode): void {
  if (children === null) return;
  if (children instanceof IndexNode) {
    nodes.push(children);
    return;
  }
  for (const child of children.values()) nodes.push(child);
}

function collect(ids: readonly number[] | null, found: number[]): void {
  if (ids === null) return;
  for (let i = 0; i < ids.length; i++) found.push(ids[i]);
}

/** The ids at a node and below it. */
function collectAll(first: IndexNode, found: number[]): void {
  const nodes = [first];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    collect(node.here, found);
    collect(node.below, found);
    pushIf(nodes, node.plus);
    pushAll(nodes, node);
    if (node.templates === null) continue;
    for (const child of node.templates.values()) nodes.push(child.node);
  }
}
