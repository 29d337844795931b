// Topic names in order. A walk over an ordered set needs no more memory than the name where it stands, and nothing that is
// added or removed meanwhile can make it miss or repeat a name: that is why retained messages are kept in order, not in a
// trie. The order is that of JavaScript strings, so all topics below a level are neighbours.
//
// Two levels: a list of chunks, each a sorted array. Adding moves a few hundred references at most.

/** Names in one chunk, after which it is cut in two. */
const CHUNK_MAX = 512;
/** Neighbours that hold no more than this together become one. */
const MERGE_MAX = 256;

export class TopicIndex {
  /** None is empty. */
  readonly #chunks: string[][] = [];
  /** Where `atOrAfter` last found something, since whoever walks comes for the next one: a chunk in the list, and an index. */
  #lastChunk: readonly string[] | null = null;
  #lastPlace = 0;

  /** Adds a name; the caller knows that it is not there. */
  add(name: string): void {
    const chunks = this.#chunks;
    if (chunks.length === 0) {
      chunks.push([name]);
      return;
    }
    const at = Math.max(0, this.#chunkOf(name));
    const chunk = chunks[at];
    const place = lowerBound(chunk, name);
    if (chunk.length < CHUNK_MAX) {
      chunk.splice(place, 0, name);
    } else if (at === chunks.length - 1 && place === chunk.length) {
      chunks.push([name]); // names that come in order fill their chunks
    } else {
      const upper = chunk.splice(CHUNK_MAX / 2);
      if (place <= chunk.length) chunk.splice(place, 0, name);
      else upper.splice(place - chunk.length, 0, name);
      chunks.splice(at + 1, 0, upper);
    }
  }

  /** Removes a name; nothing happens if it is not there. */
  remove(name: string): void {
    const chunks = this.#chunks;
    const at = this.#chunkOf(name);
    if (at < 0) return;
    const chunk = chunks[at];
    const place = lowerBound(chunk, name);
    if (chunk[place] !== name) return;
    chunk.splice(place, 1);
    if (chunk.length === 0) this.#removeChunk(at);
    else if (!this.#mergeNext(at)) this.#mergeNext(at - 1);
  }

  /** The first name that is not less than `name`, or null. */
  atOrAfter(name: string): string | null {
    const last = this.#lastChunk;
    const next = this.#lastPlace + 1;
    if (last !== null && next < last.length && last[next - 1] < name && name <= last[next]) {
      this.#lastPlace = next;
      return last[next];
    }
    const chunks = this.#chunks;
    let at = Math.max(0, this.#chunkOf(name));
    if (at >= chunks.length) return null;
    let place = lowerBound(chunks[at], name);
    if (place === chunks[at].length) {
      if (++at === chunks.length) return null;
      place = 0;
    }
    this.#lastChunk = chunks[at];
    this.#lastPlace = place;
    return chunks[at][place];
  }

  /** Index of the last chunk that begins at or before `name`, or -1. */
  #chunkOf(name: string): number {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (chunks[middle][0] <= name) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Joins a chunk with the next one if both are small. */
  #mergeNext(at: number): boolean {
    const chunks = this.#chunks;
    if (at < 0 || at + 1 >= chunks.length) return false;
    if (chunks[at].length + chunks[at + 1].length > MERGE_MAX) return false;
    for (const name of chunks[at + 1]) chunks[at].push(name);
    this.#removeChunk(at + 1);
    return true;
  }

  #removeChunk(at: number): void {
    if (this.#chunks[at] === this.#lastChunk) this.#lastChunk = null;
    this.#chunks.splice(at, 1);
  }
}

/** Index of the first name that is not less than `name`. */
function lowerBound(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names[middle] < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
