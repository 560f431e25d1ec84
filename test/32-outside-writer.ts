/** A program that writes until it is killed or told to stop: `node 32-outside-writer.ts FILE WHO MODE MS`. MODE: host, raw or plain. */
import BetterSqlite3 from 'better-sqlite3';
import { createKernel } from '../kernel/kernel.ts';
import batching from '../plugins/batching/index.ts';
import capsule from '../plugins/capsule/index.ts';

const [file = '', who = '', mode = 'plain', ms = '60000'] = process.argv.slice(2);
const until = Date.now() + Number(ms);
const yieldTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const patiently = (fn: () => unknown): void => {
  for (;;) {
    try {
      fn();
      return;
    } catch (error) {
      if (!String((error as { code?: string }).code).startsWith('SQLITE_BUSY')) throw error;
    }
  }
};
let made = 0;

if (mode === 'plain') {
  const db = new BetterSqlite3(file, { timeout: 5000 });
  const insert = db.prepare('INSERT INTO t(who, n) VALUES (?, ?)');
  const many = db.transaction((count: number) => {
    for (let index = 0; index < count; index += 1) insert.run(who, (made += 1));
  });
  console.log('ready');
  while (Date.now() < until) {
    const before = made;
    patiently(() => {
      made = before;
      many.immediate(1 + (made % 4));
    });
    await yieldTurn();
  }
} else {
  const kernel = createKernel({ filename: file, version: '1.0.0', busyTimeout: 20_000 });
  kernel.plugins.loadAll([capsule, { definition: batching, config: { batchInterval: 0 } }]);
  const { db } = kernel;
  console.log('ready');
  while (Date.now() < until) {
    if (mode === 'host') {
      await db.exclusive(() => {
        for (let index = 0; index <= made % 4; index += 1) db.run('INSERT INTO t(who, n) VALUES (?, ?)', [who, made]);
        made += 1;
      });
    } else {
      db.sqlite.prepare('INSERT INTO t(who, n) VALUES (?, ?)').run(who, (made += 1));
    }
    await yieldTurn();
  }
  await kernel.close();
}
console.log(`made ${made}`);
