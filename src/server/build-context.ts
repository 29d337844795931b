// Builds what all parts of a server share: once, before anything runs.

import { Alarms } from '../core/alarms.ts';
import { BufferPool } from '../core/buffer-pool.ts';
import { Commits } from '../core/commits.ts';
import { Drops } from '../core/drop.ts';
import { DropLedger } from '../core/drop-ledger.ts';
import type { Limits } from '../core/limits.ts';
import { guarded, moduleLoggers, SILENT } from '../core/logger.ts';
import { Metrics } from '../core/metrics.ts';
import { QueueRules } from '../core/queue-rules.ts';
import { Quotas } from '../core/quotas.ts';
import { RefusalLog } from '../core/refusal-log.ts';
import { Tick } from '../core/tick.ts';
import { SYSTEM_CLOCK } from '../lib/clock.ts';
import { RANDOM_IDS } from '../lib/ids.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { Message } from '../protocol/message.ts';
import { Delivery } from '../protocol/publish-encoder.ts';
import { PublishView } from '../protocol/publish-view.ts';
import { Topic, TopicTable } from '../protocol/topic.ts';
import { RetainedStore } from '../router/retained.ts';
import { Router } from '../router/router.ts';
import { SHARED_STRATEGIES } from '../router/shared-subscription.ts';
import { Access, Authentication } from '../session/access.ts';
import { ConnectionLog } from '../session/connection-log.ts';
import type { Context } from '../session/context.ts';
import { DenialLog } from '../session/denial-log.ts';
import { Draining } from '../session/draining.ts';
import { DropLog } from '../session/drop-log.ts';
import { EncodeOnce } from '../session/encode-once.ts';
import { Shedding } from '../session/shedding.ts';
import { Tracing } from '../session/trace.ts';
import { PendingWills } from '../session/will.ts';
import { DEFAULT_DROP_OPTIONS, type ServerOptions } from './options.ts';
import type { Registry } from './registry.ts';

export function buildContext(options: ServerOptions, limits: Limits, registry: Registry): Context {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const logs = moduleLoggers(options.logger === undefined ? SILENT : guarded(options.logger));
  const logger = logs.session;
  const wheel = new TimerWheel(clock);
  const tick = new Tick();
  const metrics = new Metrics();
  const refusalLog = new RefusalLog(logs.access, wheel);
  const drops = new Drops();
  drops.onListenerError = (error) =>
    refusalLog.error('', { error: String(error) }, 'the listener of lost messages failed');
  const { ledger, ledgerMax } = { ...DEFAULT_DROP_OPTIONS, ...options.drops };
  if (ledger) drops.ledger = new DropLedger(clock, ledgerMax);
  const dropLog = options.logger === undefined ? null : new DropLog(logs.session, wheel, registry);
  drops.log = dropLog;
  const alarms = new Alarms(clock, logs.server);
  const access = new Access(options.authorizer ?? null, options.accessRules);
  const quotas = new Quotas(wheel, logger, options.quotas);
  const { storage } = options;
  return {
    limits,
    clock,
    ids: options.ids ?? RANDOM_IDS,
    wheel,
    tick,
    pool: new BufferPool(),
    topics: new TopicTable(limits),
    router: new Router(drops, {
      strategy: SHARED_STRATEGIES[options.sharedStrategy ?? 'round_robin'],
    }),
    retained: new RetainedStore(limits, quotas.owners),
    drops,
    metrics,
    logger,
    logs,
    connectionLog: new ConnectionLog(logger, wheel, options.connectionLog),
    refusalLog,
    registry,
    authentication: new Authentication(options.authenticator ?? null),
    access,
    denials: new DenialLog(access, drops, logs.access, wheel),
    dropLog,
    guard: options.guard ?? null,
    draining: new Draining(),
    alarms,
    queueRules: new QueueRules(limits, options.queueRules),
    quotas,
    shedding: new Shedding(),
    pendingWills: new PendingWills(),
    commits:
      storage === undefined
        ? null
        : new Commits(storage, clock, tick, wheel, metrics, alarms, logs.storage),
    encodeOnce: new EncodeOnce(),
    tracing: new Tracing(drops),
    publishView: new PublishView(),
    message: new Message(new Topic('', new Uint8Array(2), 0), 0, false, new Uint8Array(0), 0),
    delivery: new Delivery(),
  };
}
