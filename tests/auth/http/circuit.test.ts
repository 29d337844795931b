import { expect, test } from 'vitest';
import { Circuit, type CircuitTicket } from '../../../src/auth/http/circuit.ts';
import { FakeClock } from '../../../src/lib/clock.ts';

function make() {
  const clock = new FakeClock();
  const changes: boolean[] = [];
  const onChange = (isOpen: boolean) => changes.push(isOpen);
  return {
    clock,
    changes,
    circuit: new Circuit({ failuresMax: 3, openMs: 1_000, clock, onChange }),
  };
}

function enter(circuit: Circuit): CircuitTicket {
  const ticket = circuit.enter();
  if (ticket === null) throw new Error('the circuit is open');
  return ticket;
}

function fail(circuit: Circuit, times: number): void {
  for (let i = 0; i < times; i++) circuit.failed(enter(circuit));
}

test('opens after so many failures in a row, and a success in between begins anew', () => {
  const { circuit, changes } = make();
  fail(circuit, 2);
  circuit.succeeded(enter(circuit));
  fail(circuit, 2);
  expect(circuit.isOpen).toBe(false);
  fail(circuit, 1);
  expect([circuit.isOpen, circuit.enter(), changes]).toEqual([true, null, [true]]);
});

test('lets one try after a while, and nobody beside it', () => {
  const { circuit, clock } = make();
  fail(circuit, 3);
  clock.advance(999);
  expect(circuit.enter()).toBeNull();
  clock.advance(1);
  expect(circuit.isOpen).toBe(false);
  enter(circuit);
  expect([circuit.isOpen, circuit.enter()]).toEqual([true, null]);
});

test('closes when that one succeeds', () => {
  const { circuit, clock, changes } = make();
  fail(circuit, 3);
  clock.advance(1_000);
  circuit.succeeded(enter(circuit));
  expect([circuit.isOpen, changes]).toEqual([false, [true, false]]);
  fail(circuit, 2);
  expect(circuit.isOpen).toBe(false);
});

test('opens for another while when it fails, without saying so again', () => {
  const { circuit, clock, changes } = make();
  fail(circuit, 3);
  for (let i = 0; i < 4; i++) {
    clock.advance(1_000);
    fail(circuit, 1);
    clock.advance(999);
    expect(circuit.enter()).toBeNull();
    clock.advance(1);
  }
  expect(changes).toEqual([true]);
});

test('what began before it changed tells nothing', () => {
  const { circuit, clock } = make();
  const old = enter(circuit);
  fail(circuit, 3);
  circuit.succeeded(old);
  expect(circuit.isOpen).toBe(true);
  clock.advance(1_000);
  const trial = enter(circuit);
  circuit.failed(old);
  circuit.succeeded(old);
  expect(circuit.enter()).toBeNull();
  circuit.succeeded(trial);
  expect(circuit.isOpen).toBe(false);
});
