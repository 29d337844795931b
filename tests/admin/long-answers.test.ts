// Answers that go on end when who reads them has lost what he had: a token or a user that goes, a role that is less, a time that is
// over.

import { once } from 'node:events';
import http, { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LongAnswers } from '../../src/admin/long-answers.ts';
import { createLog } from '../../src/cli/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import type { ServerControl } from '../../src/server/contract.ts';
import { FakeOutput } from '../kit/fake-output.ts';
import { until } from '../kit/until.ts';
import { startServer } from '../kit/wire.ts';
import { Api } from './api.ts';

class ApiWithStreams extends Api {
  readonly lines = createLog({}, new FakeOutput()).control;
  traces: ServerControl['traces'] | null = null;

  override get control(): ServerControl {
    const { traces } = this;
    if (traces === null) throw new Error('there are no traces yet');
    return { ...super.control, log: this.lines, traces };
  }
}

async function openStreams(): Promise<ApiWithStreams> {
  const api = await new ApiWithStreams().open();
  api.traces = (await startServer()).server.traces;
  await api.listener.serve(api.control);
  return api;
}

/** Asks, and resolves when the answer has begun. */
async function begun(api: Api, method: string, path: string, token: string, body?: string) {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const headers = { authorization: `Bearer ${token}`, ...type };
  const place = { host: '127.0.0.1', port: api.port, agent: false } as const;
  const request = http.request({ ...place, method, path, headers });
  onTestFinished(() => void request.destroy());
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  expect(response.statusCode).toBe(200);
  const state = { isOver: false };
  response.on('error', () => {}); // the test ends before it
  response.on('end', () => {
    state.isOver = true;
  });
  response.resume();
  return state;
}

const ANSWERS = [
  ['GET', '/api/v1/events', undefined],
  ['GET', '/api/v1/log/lines?follow=true', undefined],
  ['POST', '/api/v1/trace', '{}'],
] as const;

describe('an answer that goes on', () => {
  test.each(ANSWERS)('ends when its token does: %s %s', async (method, path, body) => {
    const api = await openStreams();
    const ofToken = await begun(api, method, path, 'operator-token', body);
    const other = await begun(api, method, path, 'admin-token', body);
    api.tokens.delete('operator-token');
    api.listener.review();
    await until(() => ofToken.isOver);
    expect(other.isOver).toBe(false);
  });

  test('ends when its role is not enough any more', async () => {
    const api = await openStreams();
    const trace = await begun(api, 'POST', '/api/v1/trace', 'operator-token', '{}');
    const events = await begun(api, 'GET', '/api/v1/events', 'operator-token');
    api.tokens.set('operator-token', 'viewer');
    api.listener.review();
    await until(() => trace.isOver);
    expect(events.isOver).toBe(false);
  });
});

describe('who reads', () => {
  const response = () => new ServerResponse(new http.IncomingMessage(new http.Agent() as never));
  const requestOf = (isStillLet: (() => boolean) | null) =>
    ({ isStillLet }) as unknown as FastifyRequest;

  test('is asked for again every second, and no more when the answer is over', () => {
    const clock = new FakeClock();
    const answers = new LongAnswers(clock);
    let asked = 0;
    let isLet = true;
    let ends = 0;
    const isStillLet = () => {
      asked++;
      return isLet;
    };
    const [first, second] = [response(), response()];
    for (const one of [first, second]) answers.watch(requestOf(isStillLet), one, () => ends++);
    clock.advance(2_000);
    expect([asked, ends, answers.size]).toEqual([4, 0, 2]);
    first.emit('close');
    isLet = false;
    clock.advance(1_000);
    expect([asked, ends, answers.size]).toEqual([5, 1, 0]);
    clock.advance(10_000);
    expect(asked).toBe(5);
  });

  test('by the control socket is never asked for', () => {
    const answers = new LongAnswers(new FakeClock());
    answers.watch(requestOf(null), response(), () => {});
    expect(answers.size).toBe(0);
  });

  test('and takes nothing for long is cut off, and who is told nothing for long is not', () => {
    const answers = new LongAnswers(new FakeClock());
    const answer = response();
    let cutOff = 0;
    const socket = { destroy: () => cutOff++ };
    answers.watch(requestOf(null), answer, () => {});
    answer.emit('timeout', socket);
    expect(cutOff).toBe(0);
    Object.defineProperty(answer, 'writableLength', { value: 1 });
    answer.emit('timeout', socket);
    expect(cutOff).toBe(1);
  });
});
