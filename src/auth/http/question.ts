// A question as it is sent: JSON in the body of a POST, or the query of a GET. Its text is all that the endpoint learns beside
// what is the same for every question, so it is what a cache goes by.

import type { HttpEndpoint } from './endpoint.ts';
import type { HttpQuestion } from './exchange.ts';

/** Fields by name; what is null is left out of a query. */
export type QuestionFields = Readonly<
  Record<string, string | number | boolean | readonly string[] | null>
>;

/** The text of a question. */
export function questionText({ method }: HttpEndpoint, fields: QuestionFields): string {
  if (method === 'POST') return JSON.stringify(fields);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  return query.toString();
}

/** The question with this text. */
export function questionOf({ method, url }: HttpEndpoint, text: string): HttpQuestion {
  if (method === 'POST') return { url, body: text };
  const asked = new URL(url);
  asked.search = asked.search === '' ? text : `${asked.search}&${text}`;
  return { url: asked, body: null };
}
