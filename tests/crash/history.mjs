// What befell one client, for whoever looks into a failure: its connections and sessions, and what became of each packet id. Only
// what is new is kept; the numbers in front are those of the ledger's clock.

const EVENTS_MAX = 60;
const PACKET_EVENTS_MAX = 12;

export class History {
  #events = [];
  /** By packet id. */
  #packets = new Map();
  /** Packet ids with which something is wrong. */
  #concerned = new Set();

  /** What happens again and again, such as connecting to a server that is down, is told once. */
  note(now, text) {
    if (this.#events.at(-1)?.endsWith(` ${text}`)) return;
    keep(this.#events, `${now} ${text}`, EVENTS_MAX);
  }

  notePacket(now, packetId, text) {
    const events = this.#packets.get(packetId) ?? [];
    keep(events, `${now} ${text}`, PACKET_EVENTS_MAX);
    this.#packets.set(packetId, events);
  }

  /** This packet id is to be told of. */
  concern(packetId) {
    this.#concerned.add(packetId);
  }

  tell() {
    const packets = [...this.#concerned].map(
      (packetId) => `packet id ${packetId}: ${this.#packets.get(packetId)?.join('; ')}`,
    );
    return [this.#events.join('; '), ...packets].map((line) => `    ${line}`).join('\n');
  }
}

function keep(events, text, max) {
  events.push(text);
  if (events.length > max) events.shift();
}
