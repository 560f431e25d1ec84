/** A host that closes: the plugins that give Lua functions go before the skills do. */
import { expect, test } from 'vitest';
import { GlyphCase } from '../sdk/index.ts';
import { writeSkill } from './60-skills-support.ts';
import { memoryLogger, tempDir, tempFile } from './support.ts';

test('no skill is started again while its host closes, and none complains', async () => {
  const dir = tempDir();
  writeSkill(dir, 'demo', 'function on_activate() print("started") local _ = scheduler.every end', {
    permissions: { schedule: true },
  });
  const logger = memoryLogger();
  const db = new GlyphCase(tempFile(), { logger, skills: { dir } });
  await db.ready;
  expect(db.skills.get('demo')).toMatchObject({ reasons: [], state: 'active' });
  await db.close();
  const said = logger.lines.filter(({ fields }) => fields['skill'] === 'demo').map(({ message }) => message);
  expect(said).toEqual([expect.stringContaining('started')]);
});
