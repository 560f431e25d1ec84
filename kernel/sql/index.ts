/**
 * The one door to reading SQL text: tokens, statements, schema changes, literals.
 *
 * Invariant: nothing behind it touches a database; all of it works on the text alone.
 */
export { isKeyword, nameOf, tokenize } from './lexer.ts';
export type { Token, TokenType } from './lexer.ts';
export { literalise, sqlLiteral } from './literals.ts';
export { alteredTable, isSchemaChange, schemaChange } from './schema-changes.ts';
export type { AlteredTable, SchemaChange, SchemaObject } from './schema-changes.ts';
export { containsPragma, firstKeyword, splitStatements, statements, withoutExplain } from './statements.ts';
export type { Statement } from './statements.ts';
