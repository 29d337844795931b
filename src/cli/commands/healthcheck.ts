// `iothub healthcheck`: one question to a server that may not be there, and an exit code that container platforms go by.

import type { ReadinessProblem } from '../../server/contract/health.ts';
import { askHealth } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { HealthLine } from '../health-line.ts';

/** Of an answer nothing beyond this is read. */
const ANSWER_BYTES_MAX = 65_536;

interface Health {
  readonly status: string;
  readonly problems?: readonly ReadinessProblem[];
}

export async function healthcheck(line: HealthLine): Promise<ExitCode> {
  const { data, url, timeoutMs, what, json } = line;
  const route = `/${what}z`;
  try {
    const { isOk, text } =
      url === null
        ? await askHealth(data ?? '', route, timeoutMs)
        : await askUrl(`${url}${route}`, timeoutMs);
    const health = read(text);
    if (health === null) throw new Error('what answers there is no server of this kind');
    const { status, problems = [] } = health;
    const said = json ? JSON.stringify({ status, problems }) : status;
    process.stdout.write(`${escapeHarmful(said)}\n`);
    for (const { name, message } of json ? [] : problems) {
      process.stderr.write(`iothub healthcheck: ${escapeHarmful(`${name}: ${message}`)}\n`);
    }
    return isOk ? ExitCode.Ok : ExitCode.Runtime;
  } catch (error) {
    process.stderr.write(`iothub healthcheck: ${escapeHarmful(reasonOf(error as Error))}\n`);
    return ExitCode.Runtime;
  }
}

async function askUrl(url: string, timeoutMs: number): Promise<{ isOk: boolean; text: string }> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { signal, redirect: 'error' });
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer is too large');
  }
  return { isOk: response.status === 200, text };
}

function read(text: string): Health | null {
  try {
    const health = JSON.parse(text) as Health;
    return typeof health?.status === 'string' ? health : null;
  } catch {
    return null;
  }
}

/** What fetch says is only that it failed; why, is in its cause. */
function reasonOf({ name, message, cause }: Error): string {
  if (name === 'TimeoutError') return 'the server did not answer in time';
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return `${message}${why}`;
}
