// For `node --import`: says on standard output of which packages a program loads modules, a line each time.

import fs from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const PACKAGE = /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/.*$/s;

export async function load(url, context, nextLoad) {
  if (PACKAGE.test(url)) fs.writeSync(1, `${url.replace(PACKAGE, '$1')}\n`);
  return nextLoad(url, context);
}

// Node loads it once more, in the thread where hooks run.
if (isMainThread) register(import.meta.url);
