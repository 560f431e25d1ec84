/** Exactly once through kill -9: a host dies in the middle of its reactions, another goes on. */
import BetterSqlite3 from 'better-sqlite3';
import { expect, it } from 'vitest';
import { systemClock } from '../kernel/clock.ts';
import { hostScript, may, ORDERS, skillHost, writeSkill } from './60-skills-support.ts';
import { startNode, tempDir, tempFile, until } from './support.ts';

const ROWS_PER_ROUND = 400;

it('reacts to every row once, whoever dies and whoever takes over', async () => {
  const file = tempFile();
  const dir = tempDir();
  const writer = new BetterSqlite3(file, { timeout: 5000 });
  writer.pragma('journal_mode = WAL');
  writer.exec(`${ORDERS}; CREATE TABLE seen(n INTEGER PRIMARY KEY, id INTEGER, total REAL)`);
  // Slow enough to be killed half way.
  const main = `function on_data_changed(t, op, row)
    if op == "INSERT" then
      for i = 1, 3000 do local x = i * i end
      glyphcase.insert("seen", { id = row.id, total = row.total })
    end
  end`;
  writeSkill(dir, 'demo', main, { watches: ['orders'], ...may('orders', 'seen') });
  const script = hostScript(['capsule', 'batching', 'actions', 'lease', 'lua', 'skills']);
  const insert = writer.prepare('INSERT INTO orders(total) VALUES (?)');
  const handled = writer.prepare('SELECT count(*) FROM seen').pluck();
  let victim = startNode(script, file, dir);
  await until(() => victim.output.includes('ready true'));
  for (let round = 0; round < 4; round += 1) {
    const before = handled.get() as number;
    const next = startNode(script, file, dir);
    for (let row = 0; row < ROWS_PER_ROUND; row += 1) insert.run(row);
    await until(() => next.output.includes('ready') && (handled.get() as number) > before + 20);
    victim.kill('SIGKILL');
    await victim.ended;
    victim = next;
  }
  victim.kill('SIGKILL');
  await victim.ended;
  const host = await skillHost({ file, dir, clock: systemClock });
  await until(() => host.lease.held);
  const rows = ROWS_PER_ROUND * 4;
  await until(() => handled.get() === rows);
  await host.rest();
  expect(writer.prepare('SELECT count(*) AS n, count(DISTINCT id) AS ids FROM seen').get()).toEqual({
    n: rows,
    ids: rows,
  });
  expect(writer.pragma('integrity_check', { simple: true })).toBe('ok');
  writer.close();
}, 60_000);
