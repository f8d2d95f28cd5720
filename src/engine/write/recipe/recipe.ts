import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import type { z } from 'zod';
import { type HexzCode, HexzError } from '../../errors.js';
import { readTextFile } from './inputs.js';
import { MAX_ALIASES, MAX_NESTING, MAX_RECIPE_BYTES } from './limits.js';
import { recipeSchema } from './schema.js';
import type { RecipeSpec } from './spec.js';

/** Keys and indices that lead to a field of a recipe. */
export type FieldPath = readonly PropertyKey[];

/** A recipe that was read, and where its fields stand. */
export interface Recipe {
  readonly path: string;
  readonly spec: RecipeSpec;
  /** An error of a field, with its place in the file. */
  readonly error: (field: FieldPath, message: string, code?: HexzCode) => HexzError;
}

/**
 * Reads a recipe.
 *
 * @throws HexzError UNREADABLE, LIMIT, RECIPE_INVALID
 */
export function readRecipe(path: string): Recipe {
  return parseRecipe(path, readTextFile(path, MAX_RECIPE_BYTES));
}

/**
 * The same of its text.
 *
 * @param path what messages call it
 */
export function parseRecipe(path: string, text: string): Recipe {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    version: '1.2',
    schema: 'core',
    prettyErrors: false,
  });
  const invalid = (message: string, offset = 0, code: HexzCode = 'RECIPE_INVALID') => {
    const { line, col } = lines.linePos(offset);
    return new HexzError(code, message, { location: { file: path, line, column: col } });
  };
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw invalid(yamlProblem(problem), problem.pos[0]);
  checkNodes(document, invalid);
  const { data, error } = parseSchema(document);
  const at = (field: FieldPath, message: string, code?: HexzCode, key?: string): HexzError =>
    invalid(
      field.length === 0 ? message : `${fieldName(field)}: ${message}`,
      offsetOf(document, field, key),
      code,
    );
  if (error === undefined) return { path, spec: data, error: at };
  const problems = error.issues.flatMap(problemsIn).sort(byKey).filter(isFirstOfItsField);
  const [first, ...others] = problems;
  if (first === undefined) throw invalid('is no recipe');
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  throw at(first.path, `${first.message}${more}`, undefined, first.key);
}

type Invalid = (message: string, offset?: number, code?: HexzCode) => HexzError;

/**
 * What YAML has and recipes do not: tags, keys that are no text, aliases of what holds aliases. So a recipe
 * never holds itself, and aliases make it longer by a factor at most.
 */
function checkNodes(document: Document.Parsed, invalid: Invalid): void {
  let aliasCount = 0;
  const offset = (node: unknown) => (node as Node | null)?.range?.[0] ?? 0;
  visit(document, {
    Node: (_, node, ancestors) => {
      if (ancestors.length > MAX_NESTING) throw invalid('is nested too deeply', offset(node));
      if ('tag' in node && node.tag !== undefined && !isAlias(node)) {
        throw invalid(`tags such as ${node.tag} are not allowed`, offset(node));
      }
    },
    Pair: (_, { key }: Pair) => {
      if (!isScalar(key) || typeof key.value !== 'string' || key.value === '__proto__') {
        throw invalid('a key must be a text', offset(key));
      }
    },
    Alias: (_, alias) => {
      aliasCount++;
      if (aliasCount > MAX_ALIASES) {
        throw invalid(`more than ${MAX_ALIASES} aliases`, offset(alias), 'LIMIT');
      }
      const target = alias.resolve(document);
      if (target === undefined) {
        throw invalid(`there is no anchor &${alias.source}`, offset(alias));
      }
      visit(target, {
        Alias: (_, inner) => {
          throw invalid('an alias cannot stand for what holds aliases', offset(inner));
        },
      });
    },
  });
}

function parseSchema(document: Document.Parsed) {
  return recipeSchema.safeParse(document.toJS({ maxAliasCount: -1 }));
}

interface Problem {
  readonly path: FieldPath;
  readonly message: string;
  /** Of the field, the key that is pointed at. */
  readonly key: string | undefined;
}

/** A key that is unknown is the most likely reason of what is missing. */
const byKey = (a: Problem, b: Problem): number =>
  Number(b.key !== undefined) - Number(a.key !== undefined);

/** What is wrong with a field besides follows from it mostly. */
const isFirstOfItsField = ({ path }: Problem, index: number, all: readonly Problem[]): boolean =>
  all.findIndex((other) => fieldName(other.path) === fieldName(path)) === index;

/** Of a field that may have several forms, what is wrong with the form that it comes nearest to. */
function problemsIn(issue: z.core.$ZodIssue): readonly Problem[] {
  const { path, message } = issue;
  const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const own = { path, message, key };
  if (issue.code !== 'invalid_union') return [own];
  const forms = issue.errors
    .filter((issues) =>
      issues.every(({ code, path }) => code !== 'invalid_type' || path.length > 0),
    )
    .map((issues) => issues.flatMap(problemsIn));
  const [form] = forms;
  if (form === undefined) return [own];
  return form.map((problem) => ({ ...problem, path: [...path, ...problem.path] }));
}

/** `disk[2].random.length` */
const fieldName = (field: FieldPath): string =>
  field
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      const name = /^[\w-]+$/.test(String(key)) ? String(key) : JSON.stringify(String(key));
      return index === 0 ? name : `.${name}`;
    })
    .join('');

/** Where a field stands, or the innermost one around it that is there; with a key, where that stands in it. */
function offsetOf(document: Document.Parsed, field: FieldPath, key?: string): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of [...field, key]) {
    if (isAlias(node)) node = node.resolve(document);
    offset = (node as Node | null | undefined)?.range?.[0] ?? offset;
    if (step === undefined || !isCollection(node)) return offset;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === step);
      if (pair === undefined) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
    }
    node = node.get(step, true);
  }
  return offset;
}

function yamlProblem({ code, message }: YAMLError): string {
  if (code === 'RESOURCE_EXHAUSTION') return 'is nested too deeply';
  if (code === 'MULTIPLE_DOCS') return 'is more than one document of YAML';
  return `is not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}
