// Type-checked only: a CommonJS consumer, against the declarations that are shipped for require().
import { GlyphCase } from 'glyphcase';
import type { ChangeEvent, Watcher } from 'glyphcase';
import { connectLiveSource } from 'glyphcase/channel';
import type { LiveSource } from 'glyphcase/channel';
import { useQuery } from 'glyphcase/react';
import type { PluginContext } from 'glyphcase/sdk';
import { createTestHost } from 'glyphcase/testing';

// A class is a value and a type.
class Tasks extends GlyphCase {
  watcher(): Watcher {
    return this.watch('tasks');
  }
}

export async function count(db: GlyphCase): Promise<number> {
  const tasks = new Tasks('tasks.db');
  tasks.subscribe(tasks.watcher(), (events: readonly ChangeEvent[]) => console.log(events.length));
  // @ts-expect-error No such member.
  db.noSuchMember();
  return (await db.query<{ n: number }>('SELECT count(*) AS n FROM tasks'))[0]?.n ?? 0;
}

export const source: LiveSource = connectLiveSource(new MessageChannel().port1);
export const rows = (): readonly { id: number }[] => useQuery<{ id: number }>('SELECT id FROM tasks').data;
export const host = createTestHost;
export type Context = PluginContext<{ prefix: string }>;
