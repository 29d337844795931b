// The tables, as Markdown, and what became of the goals.

import { OTHERS_MAX } from '../lib/machine.mjs';
import { compare, median, show, showSpread, table } from '../lib/statistics.mjs';

/** Parts of a processor from which on the generator is suspected of being the bottleneck. */
const GENERATOR_MAX = 0.9;
/** Whom the others are compared with. */
const REFERENCE = 'iothub-always';
const RABBITMQ_GOAL = 5;

export function loadTables(brokers, scenarios, runs) {
  const parts = [];
  for (const scenario of scenarios) {
    const rows = [];
    for (const broker of brokers) {
      const results = resultsOf(runs, broker.key, scenario.key);
      if (results.length === 0) continue;
      const ours = resultsOf(runs, REFERENCE, scenario.key);
      rows.push([...row(scenario, broker, results), ratioTo(scenario, broker, ours, results)]);
    }
    parts.push(`\n### ${scenario.key}: ${scenario.title}\n\n${table(headOf(scenario), rows)}`);
  }
  return parts.join('\n');
}

function resultsOf(runs, broker, scenario) {
  return runs
    .filter((run) => run.broker === broker && run.scenario === scenario)
    .map(({ result }) => result);
}

/** How many times faster IoTHub is: by rate, or by median latency where the rate is given. */
function ratioTo(scenario, broker, ours, theirs) {
  if (broker.key === REFERENCE || ours.length === 0) return '';
  const [a, b] = isPaced(scenario)
    ? [theirs.map((r) => r.latency.p50), ours.map((r) => r.latency.p50)]
    : [ours.map((r) => r.rate), theirs.map((r) => r.rate)];
  const { ratio, isDecided } = compare(a, b);
  return isDecided ? `${show(ratio)} ×` : `${show(ratio)} ×, undecided`;
}

function isPaced({ step }) {
  return step === 'pace';
}

function headOf(scenario) {
  const costs = ['disk bytes/msg', 'flushes/msg', 'lost', 'again', 'IoTHub always is faster by'];
  if (isPaced(scenario)) {
    return ['', 'p50 ms', 'p95', 'p99', 'p99.9', 'sent late p99', 'server CPU µs/msg', ...costs];
  }
  const speed = ['', 'acknowledged/s', 'server CPU µs/msg', 'server · generator cores'];
  if (scenario.window === 1) return [...speed, 'p50 ms', 'p99', ...costs];
  return [...speed, 'delivered/s', ...costs];
}

function row(scenario, broker, results) {
  const of = (pick) => results.map(pick);
  const flags = flagsOf(results);
  const costs = [
    show(median(of((r) => r.diskBytes))),
    show(median(of((r) => r.flushes))),
    String(sum(of((r) => r.lost + r.unanswered))),
    String(sum(of((r) => r.again))),
  ];
  const cpu = showSpread(of((r) => r.cpuUs));
  const p = (name) => of((r) => r.latency[name]);
  const name = `${broker.name}${flags}`;
  if (isPaced(scenario)) {
    const least = [showSpread(p('p50')), show(median(p('p95'))), showSpread(p('p99'))];
    const late = show(median(of((r) => r.lag.p99)));
    return [name, ...least, showSpread(p('p999')), late, cpu, ...costs];
  }
  const cores = `${show(median(of((r) => r.serverCores)))} · ${show(median(of((r) => r.generatorCores)))}`;
  const speed = [name, showSpread(of((r) => r.rate)), cpu, cores];
  if (scenario.window === 1) {
    return [...speed, showSpread(p('p50')), showSpread(p('p99')), ...costs];
  }
  return [...speed, showSpread(of((r) => r.deliveryRate)), ...costs];
}

/** `!` = others used the machine in a run that counts, `G` = the generator had no time left. */
function flagsOf(results) {
  const isDisturbed = median(results.map((r) => r.others)) > OTHERS_MAX;
  const isGenerator = median(results.map((r) => r.generatorCores)) > GENERATOR_MAX;
  return `${isDisturbed ? ' !' : ''}${isGenerator ? ' G' : ''}`;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

export function printSyncs(found) {
  const rows = found.map(({ broker, load, count }) => [
    broker.name,
    load.window === 1 ? '1 × 1' : `${load.publishers} × ${load.window}`,
    count === null ? '–' : show(count.calls / count.messages),
    count === null ? '–' : show(count.flushes / count.messages),
  ]);
  const head = ['', 'publishers × window', 'sync calls/msg', 'device flushes/msg'];
  return `\n### syncs: calls of fsync and its like, under strace\n\n${table(head, rows)}`;
}

export function printClean({ always, memory, others }) {
  const rows = [
    ['always', showSpread(always)],
    ['memory', showSpread(memory)],
  ];
  const title =
    '\n### clean: QoS 1 between clean sessions, 10 pairs, window 16, with and without a store';
  const more = `Others used up to ${show(others * 100)} % of a processor.`;
  return `${title}\n\n${table(['store', 'server CPU µs/msg'], rows)}\n\n${more}`;
}

export function printStalls(found) {
  const rows = [];
  for (const { shape, results } of found) {
    for (const phase of ['queueing', 'draining']) {
      const of = (name) => showSpread(results.map((result) => result[phase][name]));
      rows.push([
        `${shape.messages.toLocaleString('en')} for ${shape.subscribers}, ${phase}`,
        show(median(results.map((result) => result[phase].elapsedMs / 1_000))),
        of('p50'),
        of('p99'),
        of('p999'),
        of('max'),
        of('meanTurnMs'),
        of('longestCollectionMs'),
        of('waitedMs'),
      ]);
    }
  }
  const head = [
    '',
    'seconds',
    'p50 ms',
    'p99',
    'p99.9',
    'longest',
    'mean turn',
    'longest GC',
    'waited for a core',
  ];
  return `\n### stalls: delay of IoTHub's event loop, level always\n\n${table(head, rows)}`;
}

/** What the goals say, and what was found. */
export function goals(runs, clean, stalled) {
  const lines = [];
  const of = (broker, scenario, pick) =>
    runs
      .filter((run) => run.broker.startsWith(broker) && run.scenario === scenario)
      .map(({ result }) => pick(result));
  for (const scenario of ['offline-one', 'offline-all', 'online', 'lone']) {
    const ours = of('iothub-always', scenario, (r) => r.rate);
    for (const queue of ['classic', 'quorum']) {
      const theirs = of(`rabbitmq-${queue}`, scenario, (r) => r.rate);
      if (ours.length === 0 || theirs.length === 0) continue;
      const goal = theirs.map((rate) => rate * RABBITMQ_GOAL);
      const { ratio, isDecided } = compare(ours, goal);
      const found = `${show(ratio * RABBITMQ_GOAL)} ×${isDecided ? '' : ', undecided'}`;
      const what = `${scenario}: at least ${RABBITMQ_GOAL} × RabbitMQ ${queue}`;
      lines.push(verdict(what, ratio >= 1, found));
    }
  }
  const cpu = of('iothub-always', 'offline-one', (r) => r.cpuUs);
  const bytes = of('iothub-always', 'offline-one', (r) => r.diskBytes);
  if (cpu.length > 0) {
    lines.push(verdict('at most 10 µs CPU a queued message', median(cpu) <= 10, showSpread(cpu)));
    lines.push(verdict('at most 1,024 bytes of disk', median(bytes) <= 1_024, showSpread(bytes)));
  }
  if (clean !== null) {
    const { ratio, isDecided } = compare(clean.always, clean.memory);
    const isSame = !isDecided || ratio <= 1;
    lines.push(
      verdict(
        'clean sessions cost the same with a store',
        isSame,
        `${show(ratio)} ×, ranges ${isDecided ? 'apart' : 'overlap'}`,
      ),
    );
  }
  for (const { shape, results } of stalled ?? []) {
    const found = results.map((result) => result.queueing.p999);
    const what = `event loop below 20 ms at p99.9, 100,000 messages for ${shape.subscribers}`;
    lines.push(verdict(what, median(found) < 20, `${showSpread(found)} ms`));
  }
  return `\n### goals\n\n${lines.join('\n')}`;
}

function verdict(what, isMet, found) {
  return `* ${isMet ? 'met' : 'MISSED'}: ${what}: ${found}`;
}
