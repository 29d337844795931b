// Messages of shared subscriptions whose member went: those without a packet id move to other members at once, those with one
// when the session ends (QoS 1 only). Design §4a.11. What only the store has is read first; the new member's record and the
// removal here are in one batch wherever the store answers at once.

import { DropReason } from '../core/drop.ts';
import type { Waiting } from '../core/tick.ts';
import { DeliveryState } from '../storage/storage.ts';
import type { Context } from './context.ts';
import type { OutboundMessage } from './outbound-message.ts';
import type { Queue } from './queue.ts';
import type { QueuedEntry } from './queue-tail.ts';
import type { Session } from './session.ts';

/** Messages that are read in one turn. */
const PAGE = 128;

export class Redistribution {
  readonly #context: Context;
  readonly #session: Session;

  constructor(context: Context, session: Session) {
    this.#context = context;
    this.#session = session;
  }

  /** The client went, its session lives on. `isCurrent`: this is still the session's queue. */
  whileAway(queue: Queue, nowMs: number, isCurrent: () => boolean): void {
    const session = this.#session;
    for (const entry of queue.drainHead()) {
      if (entry.group === null || !this.#giveAway(entry, nowMs, false)) queue.restoreHead(entry);
      else session.record.dequeue(entry);
    }
    this.#moveStored(queue, queue.storedShared(), isCurrent);
  }

  /** A page a turn, as long as the client stays away; nothing is read while the session has all groups to itself. */
  #moveStored(queue: Queue, shared: readonly number[], isCurrent: () => boolean): void {
    const session = this.#session;
    const { clock, router, tick } = this.#context;
    const isGone = (): boolean => session.connection === null && !session.hasEnded && isCurrent();
    let next = 0;
    const page: Waiting = {
      nextTurn: () => {
        const hasOthers = router.sharedSubscriptionCount > session.subscriptions.sharedCount;
        if (next >= shared.length || !hasOthers || !isGone()) return;
        const sequences = shared.slice(next, next + PAGE);
        next += PAGE;
        session.record.withStored(sequences, (entries) => {
          if (entries === null || !isGone()) return;
          for (const entry of entries) {
            const { sequence } = entry;
            if (!queue.holdsStored(sequence)) continue;
            if (!this.#giveAway(entry, clock.now(), false)) continue;
            queue.removeStored(sequence);
            session.record.dequeue(entry);
          }
          tick.waitForNextTurn(page);
        });
      },
    };
    page.nextTurn();
  }

  /** The session ends: shared QoS 1 messages move, [MQTT-4.8.2-5] all others are lost. */
  atEnd(inflight: readonly OutboundMessage[], queue: Queue | null, nowMs: number): void {
    for (const entry of inflight) this.#moveOrLose(entry, nowMs);
    if (queue === null) return;
    for (const entry of queue.drainHead()) this.#moveOrLose(entry, nowMs);
    const shared = new Map<number, QueuedEntry>();
    for (;;) {
      const entry = queue.shiftStored();
      if (entry === undefined) break;
      if (entry.isShared) shared.set(entry.sequence, entry);
      else this.#loseStored(DropReason.SessionEnded, entry);
    }
    // Asked before the session is removed from the store, and answered as of now.
    this.#session.record.withStored([...shared.keys()], (entries) => {
      for (const entry of entries ?? []) {
        shared.delete(entry.sequence);
        this.#moveOrLose(entry, this.#context.clock.now());
      }
      for (const entry of shared.values()) this.#loseStored(DropReason.StoreDamaged, entry);
    });
  }

  /** Its client must not have it any more: another member of its group may. */
  giveUp(entry: OutboundMessage, nowMs: number): void {
    if (entry.group === null || !this.#giveAway(entry, nowMs, true)) {
      this.#session.lose(DropReason.ReceiveNotAuthorized, entry.message, -1, entry);
    }
    this.#session.record.dequeue(entry);
  }

  /** What was in the store only: who sent it is not known. */
  #loseStored(reason: DropReason, { topicName, sequence }: QueuedEntry): void {
    this.#context.tracing.trace?.lostStored(this.#session, sequence, reason);
    this.#context.drops.drop(reason, this.#session.clientId, topicName);
  }

  #moveOrLose(entry: OutboundMessage, nowMs: number): void {
    if (entry.state === DeliveryState.Released) return;
    const { commits, drops } = this.#context;
    const isAllOver = drops.isStopping && commits === null; // nobody would keep it
    const mayMove = !isAllOver && entry.group !== null && (entry.packetId === 0 || entry.qos === 1);
    if (mayMove && this.#giveAway(entry, nowMs, true)) return;
    this.#session.lose(DropReason.SessionEnded, entry.message, -1, entry);
  }

  /**
   * To another member, or to nobody any more if it expired before it got a packet id. [MQTT-3.3.2-5] `isLastChance`: it is
   * lost if nobody takes it.
   */
  #giveAway(entry: OutboundMessage, nowMs: number, isLastChance: boolean): boolean {
    const { group, message } = entry;
    if (entry.packetId === 0 && message.isExpired(nowMs)) {
      this.#session.lose(DropReason.Expired, message, -1, entry);
      return true;
    }
    const { router, tracing } = this.#context;
    if (group === null) return false;
    if (!router.redistribute(group, message, this.#session, nowMs, isLastChance)) return false;
    tracing.trace?.moved(this.#session, entry);
    return true;
  }
}
