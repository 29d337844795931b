// Who makes room when there are as many connections as there may be.

import { expect, test } from 'vitest';
import { type ClosableSocket, Connections } from '../../src/admin/connections.ts';

class Socket implements ClosableSocket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  isOpen = true;
  #onClose = () => {};

  constructor(address: string, port: number) {
    this.remoteAddress = address;
    this.remotePort = port;
  }

  once(_event: 'close', listener: () => void): void {
    this.#onClose = listener;
  }

  destroy(): void {
    this.isOpen = false;
    this.#onClose();
  }
}

function open(max: number) {
  const paid: string[] = [];
  const connections = new Connections(max, (address) => paid.push(address));
  let port = 1;
  const add = (address: string): Socket => {
    const socket = new Socket(address, port++);
    connections.add(socket);
    return socket;
  };
  return { add, connections, paid };
}

const A = '192.0.2.1';
const B = '192.0.2.2';

test('the address that has most pays with its oldest, and whoever comes is let in', () => {
  const { add, connections, paid } = open(4);
  const [b, ...many] = [add(B), add(A), add(A), add(A)];
  const late = [add(B), add(A)];
  expect(many.map(({ isOpen }) => isOpen)).toEqual([false, false, true]);
  expect([b, ...late].every(({ isOpen }) => isOpen)).toBe(true);
  expect([paid, connections.size]).toEqual([[A, A], 4]);
});

test('one that answers somebody with a token goes last, and after its answer as any other', () => {
  const { add, connections } = open(2);
  const reader = add(A);
  const release = connections.hold(reader);
  const silent = add(B);
  const next = add(A);
  expect([reader.isOpen, silent.isOpen, next.isOpen]).toEqual([true, false, true]);
  connections.hold(next);
  const last = add(B);
  expect([reader.isOpen, next.isOpen, last.isOpen]).toEqual([false, true, true]);
  release();
});

test('the addresses of one IPv6 network are one, and those that are gone count no more', () => {
  const { add, connections } = open(3);
  const [first] = [add('2001:db8::1'), add(A), add('2001:db8::2')];
  const other = add('2001:db8::3');
  expect([first.isOpen, other.isOpen, connections.size]).toEqual([false, true, 3]);
  other.destroy();
  expect(connections.size).toBe(2);
  connections.hold(other)(); // nobody is there
});
