// The schemas of what routes answer: objects by the types of their properties, pages and lists of them. They describe, and hide
// nothing: what is not in them is answered all the same.

/** A type of JSON, several of them, or a schema. */
type Shape = string | readonly string[] | object;

/** An object with these properties. */
export function shape(types: Readonly<Record<string, Shape>>): object {
  const properties = Object.fromEntries(
    Object.entries(types).map(([name, type]) => [
      name,
      typeof type === 'string' || Array.isArray(type) ? { type } : type,
    ]),
  );
  return { type: 'object', additionalProperties: true, properties };
}

export function listOf(items: object): object {
  return { type: 'array', items };
}

export function pageOfItems(items: object): object {
  const next = {
    type: ['string', 'null'],
    description: 'What to give as "after" for the next page; null: this was the last one',
  };
  return shape({ items: listOf(items), next });
}

/** What is there, or null. */
export const TEXT_OR_NULL = ['string', 'null'];
export const NUMBER_OR_NULL = ['number', 'null'];
/** Numbers by names that are not known beforehand. */
export const COUNTS = { type: 'object', additionalProperties: { type: 'number' } };

/** Answers with this. */
export function answers(schema: object): { readonly response: object } {
  return { response: { 200: schema } };
}
