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
  const handler = await handlerPerSecond(true);
  const listener = await handlerPerSecond(false);
  return {
    skillUpdatesPerSecond: updating,
    skillEventsPerSecond: reading,
    handlerUpdatesPerSecond: handler,
    handlerEventsPerSecond: listener,
    skillToHandlerRatio: updating / handler,
    skillToHandlerEventsRatio: reading / listener,
    ...(await walls()),
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
async function handlerPerSecond(updates: boolean): Promise<number> {
  return await withFolder(async (folder) => {
    const db = new GlyphCase({ filename: join(folder, 'a.db'), capsule: WAITING, schema: SCHEMA });
    db.subscribe(
      db.watch('tasks'),
      (events, batch) =>
        db.transaction(async () => {
          for (const event of events) {
            if (updates && event.operation === 'INSERT') await db.update('tasks', event.rowId, { status: 'seen' });
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

const LIMIT_MS = 200;
/** One of each kind that a limit has had trouble with somewhere: plain, caught, in C, in a coroutine, in a handler, copying. */
const RUNAWAYS: Readonly<Record<string, string>> = {
  loop: 'while true do end',
  caught: 'while true do pcall(function() while true do end end) end',
  pattern: 'local s = ("a"):rep(20000) while true do s:find(".-.-.-.-b") end',
  coroutine: 'coroutine.wrap(function() while true do end end)()',
  handler: 'xpcall(error, function() while true do end end)',
  copy: 'while true do local s = ("x"):rep(1e6) end',
};

/** How far beyond its limit a script gets, at worst, and how soon its skill answers again. */
async function walls(): Promise<Record<string, number>> {
  return await withFolder(async (folder) => {
    const skills = join(folder, 'skills');
    const functions = Object.entries(RUNAWAYS).map(([name, body]) => `function ${name}() ${body} end`);
    writeSkill(skills, 'wild', [...functions, 'function ping() return 1 end'].join('\n'), {});
    const db = new GlyphCase({
      filename: join(folder, 'a.db'),
      schema: SCHEMA,
      skills: { dir: skills, watch: false },
      lua: { limits: { time: LIMIT_MS } },
    });
    await db.ready;
    const ratios: number[] = [];
    const returns: number[] = [];
    for (const name of Object.keys(RUNAWAYS)) {
      const ms = await timeAsync(() => db.skills.call('wild', name).catch(() => undefined));
      returns.push(await timeAsync(() => db.skills.call('wild', 'ping')));
      ratios.push(ms / LIMIT_MS);
    }
    await db.close();
    return { runawayRatio: Math.max(...ratios), answersAgainMs: Math.max(...returns) };
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
