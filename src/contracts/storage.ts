// The suite that every store must pass, for the authors of stores: `iothub/contracts`. It needs no test runner of its own:
//
//   import { storageContract } from 'iothub/contracts';
//   for (const one of storageContract) test(one.title, () => one.run(makePlace));
//
// `makePlace` makes an empty place for a store and says how to open a store there, again and again on the same data, and how
// its process dies. A case that a place cannot show rejects with `CannotRun`: a runner that can skip from within a test may do
// that then, so that nobody takes it for passed.

import { batchCases } from './batch-cases.ts';
import type { ContractCase } from './case.ts';
import { deliveryCases } from './delivery-cases.ts';
import { queueCases } from './queue-cases.ts';
import { randomCases } from './random-cases.ts';
import { sessionCases } from './session-cases.ts';
import { tableCases } from './table-cases.ts';

export type { ContractCase, ContractOptions, MakePlace } from './case.ts';
// biome-ignore lint/performance/noBarrelFile: what whoever runs this suite needs with it
export { CannotRun, type StoragePlace } from './place.ts';

export const storageContract: readonly ContractCase[] = [
  ...sessionCases,
  ...deliveryCases,
  ...queueCases,
  ...tableCases,
  ...batchCases,
  ...randomCases,
];
