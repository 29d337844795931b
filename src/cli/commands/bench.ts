// `iothub bench`: puts load on a server, tells once a second how it does, and sums up. The standard output has the figures, the standard
// error what went wrong, each kind once; how often, the summary says.

import { randomBytes } from 'node:crypto';
import { Bench } from '../../client/bench/bench.ts';
import type { BenchPlan, BenchSummary, Fault, IntervalReport } from '../../client/bench/plan.ts';
import { dial } from '../../client/dial.ts';
import type { BenchLine } from '../bench-line.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import { intervalLine, summaryLines } from './bench-text.ts';
import {
  clientOptions,
  DIAL_TIMEOUT_MS,
  FileProblem,
  refusalSentence,
  tlsOf,
} from './client-run.ts';

/** Resolves with the exit code. */
export async function bench(line: BenchLine): Promise<number> {
  let tls: Awaited<ReturnType<typeof tlsOf>>;
  try {
    tls = await tlsOf(line.connection);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    complain(error.message);
    return ExitCode.Runtime;
  }
  const open = () => dial(line.connection.address, tls, DIAL_TIMEOUT_MS);
  const running = new Bench(planOf(line), open, {
    onFault: (fault) => complain(sentenceOf(fault, line)),
    onInterval: (report) => tellInterval(line, report),
  });
  const stop = (): void => running.stop();
  process.on('SIGINT', stop).on('SIGTERM', stop);
  process.stdout.once('error', stop); // nobody reads any more
  const summary = await running.run();
  process.off('SIGINT', stop).off('SIGTERM', stop).stdout.off('error', stop);
  tellSummary(line, summary);
  return summary.isClean ? ExitCode.Ok : ExitCode.Runtime;
}

function planOf(line: BenchLine): BenchPlan {
  const { connection, inflightMax, kind, topic } = line;
  const made = `bench-${randomBytes(3).toString('hex')}-`; // with role and number no longer than MQTT 3.1 lets it be
  const prefix = connection.clientIdPrefix ?? made;
  const options = clientOptions(connection, inflightMax);
  const idOf = (number: number, isSubscriber: boolean): string =>
    `${prefix}${kind === 'pairs' ? (isSubscriber ? 's' : 'p') : ''}${number}`;
  const userOf = (number: number): string | null =>
    connection.username?.replaceAll('%i', String(number)) ?? null;
  return {
    ...line,
    publishProperties: connection.properties.publish,
    subscribeProperties: connection.properties.subscribe,
    clientOf: (number, role) => ({
      ...options,
      clientId: idOf(number, role === 'subscriber'),
      username: userOf(number),
    }),
    topicOf: (number) =>
      topic.replace(/%[icu]/g, (field) => {
        if (field === '%i') return String(number);
        return field === '%c' ? idOf(number, kind === 'sub') : (userOf(number) ?? '');
      }),
  };
}

function tellInterval(line: BenchLine, report: IntervalReport): void {
  if (line.isQuiet) return;
  print(
    line.json ? JSON.stringify({ type: 'interval', ...report }) : intervalLine(line.kind, report),
  );
}

function tellSummary(line: BenchLine, { faults, ...summary }: BenchSummary): void {
  const problems = faults.map(({ fault, count }) => ({
    problem: sentenceOf(fault, line),
    reasonCode: fault.packet === null ? null : fault.reasonCode,
    count,
  }));
  if (line.json) {
    print(JSON.stringify({ type: 'summary', ...summary, problems }));
    return;
  }
  const said = problems.map(({ problem, count }) => `${problem} (${count} times)`);
  for (const text of summaryLines({ ...summary, faults }, said)) print(text);
}

function sentenceOf(fault: Fault, { connection }: BenchLine): string {
  if (fault.packet === null) return fault.message;
  return refusalSentence(fault, connection);
}

function print(text: string): void {
  process.stdout.write(`${escapeHarmful(text)}\n`);
}

function complain(sentence: string): void {
  process.stderr.write(`iothub bench: ${escapeHarmful(sentence)}\n`);
}
