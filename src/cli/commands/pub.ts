// `iothub pub`: publishes what the command line says, and ends when the server has it.

import { createReadStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { OutgoingMessage } from '../../client/client.ts';
import { ConnectionError, dial } from '../../client/dial.ts';
import { publishAll } from '../../client/publisher.ts';
import { ClientExitCode, ExitCode } from '../exit-code.ts';
import type { PubLine } from '../pub-line.ts';
import {
  clientOptions,
  complain,
  DIAL_TIMEOUT_MS,
  FileProblem,
  packetLog,
  readNamed,
  refusalSentence,
  tlsOf,
} from './client-run.ts';

/** The largest payload that a packet can have beside a topic. */
const PAYLOAD_BYTES_MAX = 268_435_000;

/** Resolves with the exit code. */
export async function pub(line: PubLine): Promise<number> {
  const { connection } = line;
  try {
    const payload = line.source.kind === 'lines' ? null : await payloadOf(line);
    const tls = await tlsOf(connection);
    const stream = await dial(connection.address, tls, DIAL_TIMEOUT_MS);
    const problem = await publishAll(
      stream,
      {
        client: clientOptions(connection, line.inflightMax),
        disconnectProperties: connection.properties.disconnect,
      },
      payload === null ? lines(line) : repeated(line, payload),
      packetLog(connection),
    );
    if (problem === null) return ExitCode.Ok;
    if (problem.by === 'server') {
      complain('pub', connection, refusalSentence(problem, connection));
      return problem.reasonCode;
    }
    complain('pub', connection, problem.message);
    return problem.isConnected ? ClientExitCode.ConnectionLost : ExitCode.Runtime;
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof FileProblem)) throw error;
    complain('pub', connection, error.message);
    return ExitCode.Runtime;
  }
}

function message(line: PubLine, payload: Uint8Array): OutgoingMessage {
  const { topicName, qos, retain, connection } = line;
  return { topicName, payload, qos, retain, properties: connection.properties.publish };
}

async function payloadOf({ source }: PubLine): Promise<Uint8Array> {
  const payload = await readSource(source);
  if (payload.length <= PAYLOAD_BYTES_MAX) return payload;
  throw new FileProblem(`the message has ${payload.length} bytes, more than MQTT can carry`);
}

function readSource(source: PubLine['source']): Promise<Uint8Array> {
  switch (source.kind) {
    case 'message':
      return Promise.resolve(Buffer.from(source.text));
    case 'file':
      return readNamed(source.path);
    case 'stdin':
      return readAll();
    default:
      return Promise.resolve(new Uint8Array(0));
  }
}

async function readAll(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of standardInput()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Not process.stdin: a stream of bytes that ends with its iterator. */
function standardInput(): AsyncIterable<Buffer> {
  return createReadStream('', { fd: 0, autoClose: false });
}

async function* repeated(line: PubLine, payload: Uint8Array): AsyncIterable<OutgoingMessage> {
  for (let i = 0; i < line.repeat; i++) {
    if (i > 0 && line.repeatDelayMs > 0) await delay(line.repeatDelayMs);
    yield message(line, payload);
  }
}

/** A last line needs no end. What is before a line feed is the message, a carriage return included. */
async function* lines(line: PubLine): AsyncIterable<OutgoingMessage> {
  let rest: Buffer[] = [];
  for await (const chunk of standardInput()) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield message(line, Buffer.concat([...rest, chunk.subarray(start, end)]));
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
  if (rest.length > 0) yield message(line, Buffer.concat(rest));
}
