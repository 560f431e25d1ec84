/**
 * `glyphcase.insert`, `insertMultiple`, `update`, `updateWhere`, `delete` and `deleteWhere`: rows by table and key, with the
 * hooks of all skills.
 *
 * Invariant: the table must be writable for the caller, and whatever a condition reads must be readable.
 */
import type { LuaValue } from '../../../sdk/lua-types.ts';
import { GlyphError, quoteName } from '../../../sdk/plugin.ts';
import { describe, paramsArgument, rowArgument, textArgument } from './arguments.ts';
import { shorten } from '../refusals.ts';
import { transactionOf } from './context.ts';
import type { ApiPart } from './context.ts';

type Argument = LuaValue | undefined;

export const rowsPart: ApiPart = (api) => {
  const { guard } = api;
  const { rows } = api.runtime.ctx.db;
  const writable = (table: Argument, call: string): string => {
    transactionOf(api);
    const name = textArgument(table, call, 'the table');
    guard.write(name);
    return name;
  };
  /** Judges the condition in the statement it will stand in. */
  const condition = (table: string, where: Argument, call: string, begin: string): string => {
    const text = textArgument(where, call, 'the condition');
    const sql = `${begin} ${quoteName(rows.info(table).name)} WHERE (${text.replace(/^\s*where\b/i, '')}\n)`;
    // The row functions run the condition as it is, without filters and without a meter.
    if (!guard.statement(sql).asIs) {
      throw new GlyphError(
        'GC_PERMISSION',
        `${call}: the condition reads an internal table, joins too much, or searches for a text of any length: ${shorten(text)}`,
        {
          hint: 'Read with glyphcase.query() first, or write the whole statement with glyphcase.execute().',
          skill: api.id,
        },
      );
    }
    return text;
  };
  return {
    'glyphcase.insert': (table, data) => {
      const call = 'glyphcase.insert';
      return rows.insert(writable(table, call), rowArgument(data, call));
    },
    'glyphcase.insertMultiple': (table, list) => {
      const call = 'glyphcase.insertMultiple';
      const name = writable(table, call);
      if (!Array.isArray(list)) {
        if (typeof list === 'object' && list !== null && Object.keys(list).length === 0) return [];
        throw new GlyphError('GC_BAD_ARGUMENT', `${call}: a list of rows is needed, not ${describe(list)}`);
      }
      return rows.insertMany(
        name,
        (list as readonly LuaValue[]).map((row) => rowArgument(row, call)),
      );
    },
    'glyphcase.update': (table, id, data) => {
      const call = 'glyphcase.update';
      return rows.update(writable(table, call), idArgument(id, call), rowArgument(data, call));
    },
    'glyphcase.updateWhere': (table, where, params, data) => {
      const call = 'glyphcase.updateWhere';
      const name = writable(table, call);
      const text = condition(name, where, call, 'DELETE FROM');
      return rows.updateWhere(name, text, paramsArgument([params], text), rowArgument(data, call));
    },
    'glyphcase.delete': (table, id) => {
      const call = 'glyphcase.delete';
      return rows.delete(writable(table, call), idArgument(id, call));
    },
    'glyphcase.deleteWhere': (table, where, ...args) => {
      const call = 'glyphcase.deleteWhere';
      const name = writable(table, call);
      const text = condition(name, where, call, 'DELETE FROM');
      return rows.deleteWhere(name, text, paramsArgument(args, text));
    },
  };
};

/** A nil key is a slip of the script (`row.ID` for `row.id`); as NULL it would quietly match nothing. */
function idArgument(id: Argument, call: string): unknown {
  if (id !== null && id !== undefined) return id;
  throw new GlyphError('GC_BAD_ARGUMENT', `${call}: the key of the row is nil`);
}
