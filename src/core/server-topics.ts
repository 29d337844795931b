// Topics under `$SYS` are the server's own: it publishes there what it counts, and nobody else publishes there, whatever an
// authorizer says. Who may read them is for access control.

const ROOT = '$SYS';

/** Whether this topic name, or filter, is for the server alone to publish to. */
export function isServersOwn(topic: string): boolean {
  return topic.startsWith(ROOT) && (topic.length === ROOT.length || topic[ROOT.length] === '/');
}
