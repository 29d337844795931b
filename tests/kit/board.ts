// What the board for Grafana and the rules for alerts ask of Prometheus, read out of their files.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../cli/command.ts';

export interface Asked {
  /** The panel, or the alert. */
  readonly what: string;
  readonly expression: string;
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** Of every panel, as Grafana asks it for all servers. `rateInterval`: for `$__rate_interval`. */
export function panelsOf(rateInterval: string): Asked[] {
  const board = JSON.parse(read('deploy/grafana/iothub.json')) as { readonly panels: Panel[] };
  return board.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      what: title,
      expression: expr.replaceAll('$__rate_interval', rateInterval).replaceAll('$instance', '.*'),
    })),
  );
}

/** Of every alert, with the comparison at its end. */
export function alertsOf(): Asked[] {
  const text = read('deploy/prometheus/alerts.yml');
  const found = text.matchAll(/^ {6}- alert: (\S+)\n {8}expr: (.+)$/gm);
  return [...found].map(([, what, expression]) => ({ what, expression }));
}

/** What is compared: there is a value whether the alert fires or not. */
export function comparedBy(expression: string): string {
  const found = /^(.+) (?:==|>|<) [\d.]+$/.exec(expression);
  if (found === null) throw new Error(`“${expression}” does not end with a comparison`);
  return found[1];
}

/** Names of metrics in an expression. */
export function namesIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:iothub|process|nodejs)_[a-z0-9_]+\b/g)].map(
    ([name]) => name,
  );
}

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}
