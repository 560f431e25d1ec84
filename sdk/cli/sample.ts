/** The small shop that a new database gets, so that there is something to write to and ready-made skills have work. */
import type { SchemaDefinition } from '../schema.ts';

const now = { sql: 'CURRENT_TIMESTAMP' };

export const SAMPLE: SchemaDefinition = {
  tables: [
    {
      name: 'customers',
      columns: [
        { name: 'id', type: 'INTEGER', primary: true },
        { name: 'name', type: 'TEXT', notNull: true },
        { name: 'email', type: 'TEXT' },
        { name: 'note', type: 'TEXT' },
      ],
    },
    {
      name: 'orders',
      columns: [
        { name: 'id', type: 'INTEGER', primary: true },
        { name: 'user_id', type: 'INTEGER' },
        { name: 'status', type: 'TEXT', default: 'new' },
        { name: 'total', type: 'REAL', default: 0 },
        { name: 'created_at', type: 'TEXT', default: now },
      ],
    },
    {
      name: 'order_items',
      columns: [
        { name: 'id', type: 'INTEGER', primary: true },
        { name: 'order_id', type: 'INTEGER', references: { table: 'orders', column: 'id', onDelete: 'CASCADE' } },
        { name: 'product', type: 'TEXT' },
        { name: 'price', type: 'REAL' },
        { name: 'quantity', type: 'INTEGER', default: 1 },
      ],
    },
  ],
};
