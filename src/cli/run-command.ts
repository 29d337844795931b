// Every command but those that run a server, or look at how one would run. Each is loaded when it is asked for: a server loads
// neither their code nor a store that it does not use.

import type { CommandLine } from './options.ts';
import { readVersion } from './version.ts';

type OtherLine = Exclude<CommandLine, { readonly command: 'start' | 'check' }>;

/** The exit code. */
export async function runCommand(line: OtherLine): Promise<number> {
  switch (line.command) {
    case 'passwd':
      return (await import('./commands/passwd.ts')).passwd(line);
    case 'users':
      return (await import('./commands/users.ts')).runUsers(line, readVersion());
    case 'acl':
    case 'ban':
    case 'reload':
      return (await import('./commands/access.ts')).runAccess(line, readVersion());
    case 'bench':
      return (await import('./commands/bench.ts')).bench(line);
    case 'drops':
      return (await import('./commands/drops.ts')).runDrops(line);
    case 'log':
      return (await import('./commands/log.ts')).runLog(line);
    case 'pub':
      return (await import('./commands/pub.ts')).pub(line);
    case 'sub':
      return (await import('./commands/sub.ts')).sub(line);
    case 'token':
      return (await import('./commands/token.ts')).runToken(line, readVersion());
    case 'healthcheck':
      return (await import('./commands/healthcheck.ts')).healthcheck(line);
    case 'manage':
      return (await import('./commands/manage.ts')).runManage(line);
    case 'explain':
    case 'trace':
      return (await import('./commands/explain.ts')).runExplain(line);
    case 'init':
      return (await import('./commands/init.ts')).init(line);
    case 'completion':
      return (await import('./commands/completion.ts')).completion(line);
    default:
      return (await import('./commands/tool.ts')).runTool(line, readVersion());
  }
}
