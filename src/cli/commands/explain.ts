// `iothub explain` and `iothub trace`: what they say, and their exit codes.

import { once } from 'node:events';
import type { DeliveryExplanation, PublishExplanation } from '../../server/contract/explain.ts';
import { ControlError } from '../../server/contract.ts';
import { askServer, NoServer, readServer } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { ExplainLine, TraceLine } from '../explain-lines.ts';
import { deliveryLines, publishLines } from '../explained.ts';
import { eventLine } from '../traced.ts';

/** Does what the line says. What goes wrong is a sentence on stderr. */
export async function runExplain(line: ExplainLine | TraceLine): Promise<ExitCode> {
  try {
    return await (line.command === 'explain' ? explain(line) : trace(line));
  } catch (error) {
    if (!(error instanceof NoServer || error instanceof ControlError)) throw error;
    process.stderr.write(`iothub ${line.command}: ${escapeHarmful(error.message)}\n`);
    if (error instanceof NoServer) return ExitCode.Unavailable;
    return error.problem === 'invalid' ? ExitCode.Usage : ExitCode.Runtime;
  }
}

async function explain(line: ExplainLine): Promise<ExitCode> {
  const { about, data, json, question } = line;
  const answer = await askServer(data, 'POST', `/api/v1/explain/${about}`, question);
  if (json) print(JSON.stringify(answer));
  if (about === 'publish') {
    const explanation = answer as PublishExplanation;
    if (!json) for (const text of publishLines(explanation)) print(text);
    return explanation.isAccepted ? ExitCode.Ok : ExitCode.Runtime;
  }
  const explanation = answer as DeliveryExplanation;
  if (!json) for (const text of deliveryLines(explanation)) print(text);
  return explanation.isDelivered ? ExitCode.Ok : ExitCode.Runtime;
}

/** A terminal that takes no more makes the server wait, which counts what is missing. */
async function trace({ data, json, request }: TraceLine): Promise<ExitCode> {
  const nobodyReads = new AbortController();
  process.stdout.once('error', () => nobodyReads.abort());
  const onLine = (line: string): boolean => print(json ? line : eventLine(line));
  const { signal } = nobodyReads;
  const drained = async (): Promise<void> => {
    await once(process.stdout, 'drain', { signal }).catch(() => {}); // it broke: nobody reads
  };
  await readServer(data, '/api/v1/trace', request, { onLine, drained, signal });
  return ExitCode.Ok;
}

/** False: it is to be waited for. */
function print(text: string): boolean {
  return process.stdout.write(`${escapeHarmful(text)}\n`);
}
