import { z } from 'zod';
import { methods } from './methods.js';

/** As much of a JSON schema as `z.toJSONSchema` makes of the values of messages. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly contentEncoding?: string;
}

type AnyMethod = (typeof methods)[keyof typeof methods];

/** The part of docs/control-protocol.md that is made from the schemas. */
function methodReference(): string {
  const sections = Object.entries<AnyMethod>(methods).map(([name, method]) =>
    [
      `### ${name}`,
      method.summary,
      block('Parameters', method.params, 'input'),
      ...('item' in method ? [block('Items', method.item, 'output')] : []),
      block('Result', method.result, 'output'),
    ].join('\n\n'),
  );
  return `${sections.join('\n\n')}\n`;
}

function block(title: string, schema: z.ZodType, io: 'input' | 'output'): string {
  const text = typeText(z.toJSONSchema(schema, { io }) as Schema, '');
  return text === '{}' ? `${title}: none.` : `${title}:\n\n\`\`\`ts\n${text}\n\`\`\``;
}

/** A schema as a type of TypeScript, with limits and defaults in comments. */
function typeText(schema: Schema, indent: string): string {
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) {
    return options.map((option) => typeText(option, indent)).join(' | ');
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  }
  switch (schema.type) {
    case 'object':
      return objectText(schema, indent);
    case 'array':
      return `Array<${typeText(schema.items ?? {}, indent)}>`;
    case 'string':
      return schema.contentEncoding ?? 'string';
    case undefined:
      return 'any';
    default:
      return schema.type;
  }
}

function objectText(schema: Schema, indent: string): string {
  const { properties, required = [], additionalProperties, propertyNames } = schema;
  if (properties === undefined) {
    const key = propertyNames === undefined ? 'string' : typeText(propertyNames, indent);
    const value = typeof additionalProperties === 'object' ? additionalProperties : {};
    return `{ [name: ${key}]: ${typeText(value, indent)} }`;
  }
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, property]) => {
    const optional = required.includes(name) ? '' : '?';
    const remarks = remarksOn(property).join('; ');
    const comment = remarks === '' ? '' : ` // ${remarks}`;
    return `${inner}${name}${optional}: ${typeText(property, inner)},${comment}`;
  });
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`;
}

function remarksOn(schema: Schema): string[] {
  const { description, default: value } = schema;
  return [
    ...(description === undefined ? [] : [description]),
    ...rangeText(schema.minimum, schema.maximum, ''),
    ...rangeText(schema.minLength, schema.maxLength, ' characters'),
    ...rangeText(schema.minItems, schema.maxItems, ' items'),
    ...(value === undefined ? [] : [`default ${JSON.stringify(value)}`]),
  ];
}

/** What does not go without saying: no number is below 0, and none is beyond what JSON can carry exactly. */
function rangeText(least = 0, most = Number.MAX_SAFE_INTEGER, unit: string): string[] {
  if (most === Number.MAX_SAFE_INTEGER) return least === 0 ? [] : [`at least ${least}${unit}`];
  return [least === 0 ? `at most ${most}${unit}` : `${least} to ${most}${unit}`];
}

/** What stands before it, on a line of its own. */
const REFERENCE_MARK = '<!-- What follows is made from the schemas: npm run docs -->';

/** A page with the reference as it is now behind the mark. */
export function withMethods(page: string): string {
  const at = page.indexOf(REFERENCE_MARK);
  const written = at === -1 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  return `${written}${REFERENCE_MARK}\n\n${methodReference()}`;
}
