/** Events through a skill's `on_data_changed`: with one update a row, with none, and beside a JavaScript handler. */
import { join } from 'node:path';
import { GlyphCase } from '../sdk/index.ts';
import { writeSkill } from './host.ts';
import { median, timeAsync, withFolder } from './measure.ts';

const ROWS = 20_000;
const UPDATING = `
function on_data_changed(table_name, operation, row)
  if operation == "INSERT" then
    glyphcase.update("tasks", row.id, { status = "seen" })
  end
end
`;
const READING = 'local n = 0\nfunction on_data_changed(table_name, operation, row) n = n + 1 end\n';

export async function run(): Promise<Record<string, number>> {
  const both = { database: { read: ['tasks'], write: ['tasks'] } };
  const updating = await eventsPerSecond(UPDATING, both);
  const reading = await eventsPerSecond(READING, both);
  const handler = await handlerPerSecond();
  return {
    skillUpdatesPerSecond: updating,
    skillEventsPerSecond: reading,
    handlerUpdatesPerSecond: handler,
    skillToHandlerRatio: updating / handler,
  };
}

/** Rows are inserted while nobody reacts, so that only the reaction is timed. */
async function eventsPerSecond(main: string, permissions: unknown): Promise<number> {
  const figures: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    figures.push(
      await withFolder(async (folder) => {
        const skills = join(folder, 'skills');
        writeSkill(skills, 'worker', main, permissions);
        const db = new GlyphCase({
          filename: join(folder, 'a.db'),
          capsule: WAITING,
          skills: { dir: skills, watch: false },
          schema: SCHEMA,
        });
        await db.ready;
        await insertAll(db);
        const ms = await timeAsync(() => db.flush());
        const left = await db.queryScalar("SELECT count(*) FROM tasks WHERE status = 'new'");
        if (main === UPDATING && left !== 0) throw new Error(`${String(left)} rows were not updated`);
        await db.close();
        return ROWS / (ms / 1000);
      }),
    );
  }
  return median(figures);
}

/** The same work by a durable JavaScript subscriber that acknowledges in its transaction. */
async function handlerPerSecond(): Promise<number> {
  return await withFolder(async (folder) => {
    const db = new GlyphCase({ filename: join(folder, 'a.db'), capsule: WAITING, schema: SCHEMA });
    db.subscribe(
      db.watch('tasks'),
      (events, batch) =>
        db.transaction(async () => {
          for (const event of events) {
            if (event.operation === 'INSERT') await db.update('tasks', event.rowId, { status: 'seen' });
          }
          batch.acknowledge();
        }),
      { name: 'handler' },
    );
    await insertAll(db);
    const ms = await timeAsync(() => db.flush());
    await db.close();
    return ROWS / (ms / 1000);
  });
}

const SCHEMA = {
  tables: [
    {
      name: 'tasks',
      columns: [
        { name: 'id', type: 'INTEGER' as const, primary: true },
        { name: 'status', type: 'TEXT' as const, default: 'new' },
        { name: 'title', type: 'TEXT' as const },
      ],
    },
  ],
};

/** Nothing is delivered before flush(), so that only the reactions are timed. */
const WAITING = { batchInterval: 600_000, batchSize: 1_000_000 };

/** 200 transactions of 100 rows. */
async function insertAll(db: GlyphCase): Promise<void> {
  const part = ROWS / 200;
  for (let start = 0; start < ROWS; start += part) {
    await db.insertMany(
      'tasks',
      Array.from({ length: part }, (_, index) => ({ title: `Task ${start + index}` })),
    );
  }
}

if (process.argv[1] === import.meta.filename) console.log(await run());
