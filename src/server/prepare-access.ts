// Before anybody can come: the guard and access control, with their tables of the store, which is open.

import type { Context } from '../session/context.ts';
import type { AccessControl } from './access-control.ts';
import type { ServerOptions } from './options.ts';
import { storeTable } from './store-table.ts';

/** Resolves when sessions that are stored have been looked at by the rules of now. Rejects: the server does not start. */
export async function prepareAccess(
  { commits, guard, logs, metrics, refusalLog }: Context,
  access: AccessControl,
  options: ServerOptions,
): Promise<void> {
  const table = (name: string) => (commits === null ? null : storeTable(commits, name));
  await guard?.open({ logger: logs.access, metrics, refusalLog, table });
  const prepared = await options.prepareAccess?.({ table });
  if (prepared === undefined && options.authorizer === undefined) return;
  access.replace(prepared ?? options);
  await access.reviewed(); // what is stored was granted by the rules of then
}
