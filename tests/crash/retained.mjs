// Looks at the retained messages as a new client sees them, at any time: each topic must have the last value that was
// acknowledged, or one that was sent after it.

import { PacketType } from '../../dist/protocol/index.js';
import { Link, until } from './kit.mjs';

const PATIENCE_MS = 5_000;
let lookers = 0;

/** Throws nothing: what is wrong is a violation in the ledger. Resolves with how many topics were looked at. */
export async function lookAtRetained({ hub, ledger }) {
  const { starts } = hub;
  const found = new Map();
  let isSubscribed = false;
  const link = new Link(hub.port, 5, {
    onPacket(_link, packet) {
      if (packet.type === PacketType.Suback) isSubscribed = true;
      if (packet.type === PacketType.Publish && packet.retain) {
        const text = Buffer.from(packet.payload).toString('latin1');
        found.set(packet.topicName, text);
      }
    },
    onClosed() {},
  });
  const asked = ledger.retainable();
  lookers++;
  link.connect(`retained-looker-${lookers}`, true, {});
  link.subscribe(1, 'r/#', 0);
  const wrong = () => [...asked].map((entry) => judge(entry, found)).filter((each) => each !== null);
  await until(() => link.isClosed || (isSubscribed && wrong().length === 0), PATIENCE_MS);
  const isTold = !link.isClosed && isSubscribed && hub.starts === starts && hub.isServing;
  if (isTold) for (const text of wrong()) ledger.violation(text);
  link.destroy();
  return isTold ? asked.size : 0;
}

/** What is wrong with one topic, or null. */
function judge([topic, { history, from }], found) {
  const text = found.get(topic);
  const later = history.filter((each) => each.seq >= from && !isRefused(each));
  if (text === undefined) {
    const mayBeAbsent = from === 0 || later.some((each) => each.size === 0);
    return mayBeAbsent ? null : `lost: ${topic} retains nothing, and ${topic}#${from} is acknowledged`;
  }
  const isOne = later.some((each) => each.size > 0 && each.payload().toString('latin1') === text);
  if (isOne) return null;
  const name = text.split(' ', 1)[0];
  return `${topic} retains ${name}, and the last that is acknowledged is #${from}`;
}

const isRefused = (message) => message.refused !== null && message.sends <= 1;
