// The routes of lost messages: what they give, page by page, and what they do not take for a question.

import { describe, expect, test } from 'vitest';
import { DROP_REASON_NAMES, DropReason, Drops } from '../../src/core/drop.ts';
import { DropLedger } from '../../src/core/drop-ledger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { DropApi } from '../kit/drop-api.ts';

function make(max = 4_096) {
  const clock = new FakeClock();
  const drops = new Drops();
  drops.ledger = new DropLedger(clock, max);
  const api = new DropApi({ drops });
  const ids = async (query: Record<string, string>) => {
    const { items, next } = await api.list(query);
    return { ids: items.map(({ id }) => Number(id)), next };
  };
  return { clock, drops, api, ids };
}

test('the numbers of all reasons, with what each means and what to do', async () => {
  const { drops, api } = make(8);
  drops.drop(DropReason.Quota, 'pub', 't', 3);
  const { total, reasons, ledgerMax } = await api.totals();
  expect({ total, ledgerMax }).toEqual({ total: 3, ledgerMax: 8 });
  expect(reasons.map(({ reason }) => reason)).toEqual(DROP_REASON_NAMES);
  for (const { meaning, advice } of reasons) {
    expect(meaning).toMatch(/^[A-Z].*[^.]\.$/);
    expect(advice).toMatch(/^[A-Z].*[^.]\.$/);
  }
});

test('all that is known of one', async () => {
  const { drops, api } = make();
  drops.drop(DropReason.QueueFull, 'sub', 't', 2, 'pub', 1_000);
  const at = new Date(1_700_000_000_000).toISOString();
  expect(await api.list()).toEqual({
    items: [
      {
        ...{ id: '1', reason: 'queue_full', clientId: 'sub', publisher: 'pub', topic: 't' },
        ...{ count: 2, firstAt: at, lastAt: at, queuedMessages: 1_000, outputBytes: null },
        rule: null,
      },
    ],
    next: null,
  });
});

test('pages follow each other without a gap, also when more is lost meanwhile', async () => {
  const { drops, ids } = make();
  for (let i = 0; i < 5; i++) drops.drop(DropReason.Expired, `c${i}`, 't');
  expect(await ids({ limit: '2' })).toEqual({ ids: [5, 4], next: '4' });
  drops.drop(DropReason.Offline, 'c', 't');
  expect(await ids({ limit: '2', after: '4' })).toEqual({ ids: [3, 2], next: '2' });
  expect(await ids({ limit: '2', after: '2' })).toEqual({ ids: [1], next: null });
  expect(await ids({ limit: '1', after: '2' })).toEqual({ ids: [1], next: null });
});

test('a rare one is found behind thousands, without holding up the loop', async () => {
  const { drops, ids } = make();
  drops.drop(DropReason.Expired, 'rare', 'here');
  for (const reason of [DropReason.NoSubscriber, DropReason.Offline]) {
    for (let i = 0; i < 4_096; i++) drops.drop(reason, `c${i}`, 't');
  }
  let turns = 0;
  const counting = setInterval(() => turns++, 0);
  expect(await ids({ topic: 'here' })).toEqual({ ids: [1], next: null });
  clearInterval(counting);
  expect(turns).toBeGreaterThan(0);
});

test.each([
  [{ reason: 'expired' }, [1]],
  [{ client: 'a' }, [2, 1]],
  [{ client: 'b' }, [2]],
  [{ topic: 'x/+' }, [2]],
  [{ topic: '$share/g/x/+' }, [2]],
  [{ since: new Date(1_700_000_000_001).toISOString() }, [2]],
])('%j finds what fits', async (query, expected) => {
  const { clock, drops, ids } = make();
  drops.drop(DropReason.Expired, 'a', 'y');
  clock.advance(1);
  drops.drop(DropReason.QueueFull, 'b', 'x/1', 1, 'a', 1);
  expect((await ids(query)).ids).toEqual(expected);
});

describe('is refused in a sentence', () => {
  test.each([
    [{ reason: 'bad_luck' }, 'querystring/reason must be equal to one of the allowed values'],
    [{ topic: 'a/#/b' }, '"a/#/b": '],
    [{ since: 'yesterday' }, 'querystring/since must match format "date-time"'],
    [{ limit: '0' }, 'querystring/limit must match pattern'],
    [{ limit: '1001' }, 'querystring/limit must match pattern'],
    [{ after: 'x' }, '"x" is not where a page ended'],
    [{ user: 'x' }, 'querystring must NOT have additional properties'],
  ])('%j', async (query, sentence) => {
    const { app } = make().api;
    const { statusCode, body } = await app.inject({ url: '/api/v1/drops', query });
    expect(statusCode).toBeGreaterThanOrEqual(400);
    expect(JSON.parse(body).message).toContain(sentence);
  });
});

test('numbers are for viewers, the messages themselves for operators', async () => {
  const roles = new Map<string, unknown>();
  const { app } = make().api;
  app.addHook('onRequest', async ({ routeOptions: { url = '', config } }) => {
    roles.set(url, config.role);
  });
  for (const url of ['/api/v1/drops/totals', '/api/v1/drops']) await app.inject(url);
  expect([...roles.values()]).toEqual(['viewer', 'operator']);
});
