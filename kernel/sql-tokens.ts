/**
 * The one door to reading SQL text: tokens, statements, schema changes, literals.
 *
 * Invariant: nothing behind it touches a database; all of it works on the text alone.
 */
export { isKeyword, nameOf, tokenize } from './sql-lexer.ts';
export type { Token, TokenType } from './sql-lexer.ts';
export { literalise, sqlLiteral } from './sql-literals.ts';
export { alteredTable, isSchemaChange, schemaChange } from './sql-schema-changes.ts';
export type { AlteredTable, SchemaChange, SchemaObject } from './sql-schema-changes.ts';
export { containsPragma, firstKeyword, splitStatements, statements, withoutExplain } from './sql-statements.ts';
export type { Statement } from './sql-statements.ts';
