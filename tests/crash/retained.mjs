// Looks at the retained messages as a new client sees them, at any time: each topic must have the last value that was
// acknowledged, or one that was sent after it. A wrong one is wrong at once, a missing one after a while.

import { PacketType } from '../../dist/protocol/index.js';
import { Link, sleep, until } from './kit.mjs';

const PATIENCE_MS = 5_000;
/** All retained messages have come this long after SUBACK. */
const COMPLETE_MS = 1_500;
let lookers = 0;

/** What is wrong is a violation in the ledger. Resolves with how many values were seen. */
export async function lookAtRetained({ hub, ledger }) {
  const { starts } = hub;
  const found = new Set();
  const asked = ledger.retainable();
  let isSubscribed = false;
  const link = new Link(hub.port, 5, {
    onPacket(_link, { type, topicName, payload, retain }) {
      if (type === PacketType.Suback) isSubscribed = true;
      if (type !== PacketType.Publish || !retain) return;
      found.add(topicName);
      judge(ledger, asked.get(topicName), topicName, Buffer.from(payload).toString('latin1'));
    },
    onClosed() {},
  });
  lookers++;
  link.connect(`retained-looker-${lookers}`, true, {});
  link.subscribe(1, 'r/#', 0);
  await until(() => link.isClosed || isSubscribed, PATIENCE_MS);
  await sleep(COMPLETE_MS);
  const isTold = isSubscribed && !link.isClosed && hub.isServing && hub.starts === starts;
  if (isTold) judgeMissing(ledger, asked, found);
  link.destroy();
  return found.size;
}

function judge(ledger, topic, name, text) {
  const value = text.split(' ', 1)[0];
  const isOne = (message) => message.size > 0 && message.payload().toString('latin1') === text;
  if (topic === undefined) {
    // its first message is being published
    if (!value.startsWith(`${name}#`)) ledger.violation(`${name} retains ${value}`);
  } else if (!laterOf(topic).some(isOne)) {
    ledger.violation(`${name} retains ${value}, and the last acknowledged is #${topic.from}`);
  }
}

function judgeMissing(ledger, asked, found) {
  for (const [name, topic] of asked) {
    if (found.has(name) || topic.from === 0) continue;
    if (laterOf(topic).some((message) => message.size === 0)) continue;
    ledger.violation(`lost: ${name} retains nothing, and ${name}#${topic.from} is acknowledged`);
  }
}

const laterOf = ({ history, from }) =>
  history.filter((each) => each.seq >= from && (each.refused === null || each.sends > 1));
