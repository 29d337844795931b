/** Our own mistake, not the client's and not the operator's. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Guards what can only be false through a mistake of ours: ends that connection, is counted and logged. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}
