// Which of the two formats of the page whoever asks for it gets: the text format, unless OpenMetrics is wanted at least as much.
// RFC 9110 §12.5.1.

export type Format = 'text' | 'openmetrics';

/** `accept`: the header; empty if there is none. */
export function formatFor(accept: string): Format {
  let text = 0;
  let openMetrics = 0;
  for (const range of accept.split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = weightOf(parameters);
    if (type === 'application/openmetrics-text') openMetrics = Math.max(openMetrics, weight);
    else if (type === 'text/plain') text = Math.max(text, weight);
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text';
}

function weightOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  if (given === undefined) return 1;
  const weight = Number(given);
  return weight >= 0 && weight <= 1 ? weight : 0;
}
