// A store of somebody else's: what an operator is told when it is not one, and a stop while it is read.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { iothub, RunningServer } from './command.ts';

/** The path of a module with this text. */
function moduleOf(text: string): string {
  const file = path.join(temporaryFolder(), 'store.mjs');
  writeFileSync(file, text);
  return file;
}

/** All methods of the contract, doing nothing. */
const STUB = `
const nothing = () => {};
const names = ['saveSession', 'deleteSession', 'saveSubscription', 'deleteSubscription', 'enqueue', 'updateDelivery', 'dequeue',
  'saveInboundPacketId', 'deleteInboundPacketId', 'saveWill', 'deleteWill', 'saveRetained', 'deleteRetained', 'put', 'remove'];
const stub = {
  ...Object.fromEntries(names.map((name) => [name, nothing])),
  open: async () => ({ location: 'nowhere', isNew: true, highest: { session: 0, sequence: 0 } }),
  recover: async () => {},
  readDeliveries: () => [], get: () => null, list: () => [],
  commit: async () => {}, close: async () => {},
};
`;

test.each([
  ['export const x = 1;', 'does not export a function createStorage(options)'],
  ['export function createStorage() {}', 'did not return a store: it has no open, recover,'],
  ['export const createStorage = () => null;', 'did not return a store: it has no open,'],
  [
    `${STUB} const { commit, ...rest } = stub; export const createStorage = () => rest;`,
    'did not return a store: it has no commit',
  ],
  [
    'export function createStorage() { throw new Error("no url"); }',
    'createStorage of the module "FILE" failed: no url',
  ],
  ['export const = 1;', 'cannot be loaded as a module'],
])('a module that is no store is one sentence and exit code 78: %s', async (text, sentence) => {
  const file = moduleOf(text);
  const { exitCode, stderr } = await iothub('--store', file, '--port', '0');
  expect(stderr).toContain(sentence.replace('FILE', file));
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(exitCode).toBe(78);
});

test('a store that cannot be opened is its sentence and exit code 74', async () => {
  const file = moduleOf(
    `${STUB} export const createStorage = () => ({ ...stub, open: async () => { throw new Error('the database at x is down: start it'); } });`,
  );
  const { exitCode, stderr } = await iothub('--store', file, '--port', '0');
  expect(stderr).toBe('the database at x is down: start it\n');
  expect(exitCode).toBe(74);
});

test('a module is a store, and gets the options of the configuration', async () => {
  const file = moduleOf(
    `${STUB} export const createStorage = async (options) => ({ ...stub, open: async () => ({ location: JSON.stringify(options), isNew: true, highest: { session: 0, sequence: 0 } }) });`,
  );
  const config = path.join(path.dirname(file), 'iothub.toml');
  writeFileSync(config, '[storage]\ntype = "./store.mjs"\n[storage.options]\nurl = "db"\n');
  const server = new RunningServer('--config', config);
  await server.line(/new store: \{"url":"db"\}|new store: \{\\"url\\":\\"db\\"\}/);
  await server.port();
  server.child.kill('SIGTERM');
  expect(await server.exit).toBe(0);
});

test('SIGTERM while the store is read ends the start: nothing is served', async () => {
  const file = moduleOf(
    `${STUB} export const createStorage = () => ({ ...stub, recover: async (recovery) => {
      console.log('reading');
      while (!recovery.isCancelled) await new Promise((resolve) => setTimeout(resolve, 10));
      throw new Error('given up');
    } });`,
  );
  const server = new RunningServer('--store', file);
  await server.line(/reading/);
  server.child.kill('SIGTERM');
  expect(await server.exit).toBe(0);
  await expect(server.line(/serves MQTT/)).rejects.toThrow('no line matched');
});
