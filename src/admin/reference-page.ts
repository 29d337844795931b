// The reference page of the admin API: one table of routes for each tag. All text goes through `escaped`; the style is allowed by
// its hash, and nothing else is.

import { createHash } from 'node:crypto';

/** The parts of an OpenAPI document that are shown. */
interface Document {
  readonly info: {
    readonly title: string;
    readonly description?: string;
    readonly version: string;
  };
  readonly paths?: Readonly<Record<string, object | undefined>>;
}

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name?: string;
    readonly in?: string;
    readonly required?: boolean;
  }[];
  readonly requestBody?: unknown;
  readonly 'x-role'?: string;
}

/** Links follow `color-scheme`; the columns of all tables are alike, and on a narrow screen a row is a block. */
const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{border-bottom:1px solid #8886;padding:.4rem .4rem .4rem 0;text-align:left;vertical-align:top}
th:first-child{width:42%}th:last-child{width:6rem}
code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}
@media (max-width:40rem){th{display:none}tr{display:block;border-bottom:1px solid #8886;padding:.4rem 0}
td{display:block;border:0;padding:0}td:last-child::before{content:"Least role: "}}`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

export function referencePage({ info, paths = {} }: Document): string {
  const byTag = new Map<string, string[]>();
  for (const [path, item] of Object.entries(paths)) {
    const operations = (item ?? {}) as Readonly<Record<string, Operation | undefined>>;
    for (const method of METHODS) {
      const operation = operations[method];
      if (operation === undefined) continue;
      const tag = operation.tags?.[0] ?? 'other';
      byTag.set(tag, [...(byTag.get(tag) ?? []), rowOf(method, path, operation)]);
    }
  }
  const sections = [...byTag].map(
    ([tag, rows]) =>
      `<h2>${escaped(tag)}</h2><table><tr><th>Request<th>What it does<th>Least role</tr>${rows.join('')}</table>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(info.title)}</title><style>${STYLE}</style>
<h1>${escaped(info.title)}</h1><p>Version ${escaped(info.version)}. ${escaped(info.description ?? '')}</p>
<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>
${sections.join('\n')}</html>
`;
}

function rowOf(method: string, path: string, operation: Operation): string {
  const { summary = '', parameters = [], requestBody, 'x-role': role = 'none' } = operation;
  const query = parameters
    .filter((one) => one.in === 'query')
    .map(({ name = '', required = false }) => (required ? name : `${name}?`));
  const more = [
    query.length === 0 ? '' : `Query: <code>${escaped(query.join(', '))}</code>`,
    requestBody === undefined ? '' : `Body: <code>${escaped(fieldsOf(requestBody))}</code>`,
  ].filter((text) => text !== '');
  const about = [escaped(summary), ...more].join('<br>');
  return `<tr><td><code>${escaped(`${method.toUpperCase()} ${path}`)}</code><td>${about}<td>${escaped(role)}</tr>`;
}

/** The names of what a body may hold; those that it must are without a question mark, as in a query. */
function fieldsOf(requestBody: unknown): string {
  const { content } = requestBody as { content?: Record<string, { schema?: BodySchema }> };
  const schema = content?.['application/json']?.schema;
  const { properties = {}, required = [] } = schema ?? {};
  return Object.keys(properties)
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .join(', ');
}

interface BodySchema {
  readonly properties?: object;
  readonly required?: readonly string[];
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
