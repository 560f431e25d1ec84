/** The skill user-hygiene: whatever reaches the table through the row functions is tidy, and no plain password reaches the file. */
import { readFileSync } from 'node:fs';
import { verifySync } from '@node-rs/bcrypt';
import { describe, expect, it } from 'vitest';
import { manifestInReadme, openSkills } from './65-support.ts';
import type { Json, SkillHost } from './65-support.ts';
import { thrownBy } from './support.ts';

const USERS = `CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, slug TEXT UNIQUE, password_hash TEXT, bio TEXT);`;

const open = (schema = USERS, manifest: Json = {}): Promise<SkillHost> =>
  openSkills({ schema, skills: { 'user-hygiene': manifest } });

const ada = { email: 'ada@example.com', name: 'Ada' };

const refusal = async (write: () => Promise<unknown>): Promise<string> => {
  const { code, message } = await thrownBy(write);
  expect(code).toBe('GC_REFUSED');
  return message.replace(/^.*skill user-hygiene: /, '');
};

describe('user-hygiene refuses', () => {
  it.each([
    [{ name: 'Ada' }, 'an e-mail address is needed'],
    [{ ...ada, email: null }, 'an e-mail address is needed'],
    [{ ...ada, email: 'ada' }, '"ada" is not an e-mail address'],
    [{ ...ada, email: 'a@b@c' }, '"a@b@c" is not an e-mail address'],
    [{ ...ada, email: 'a b@c' }, '"a b@c" is not an e-mail address'],
    [{ ...ada, email: 7 }, 'an e-mail address is needed'],
    [{ ...ada, email: `${'a'.repeat(250)}@b.de` }, `"${'a'.repeat(100)}" is not an e-mail address`],
    [{ email: 'a@b' }, 'a name is needed'],
    [{ ...ada, name: ' A  ' }, 'a name has 2 letters or more'],
    [{ ...ada, name: 12 }, 'a name is needed'],
    [{ ...ada, name: new Uint8Array([0xff, 0xfe, 0xfd]) }, 'a name is a text in UTF-8'],
    [{ ...ada, password: 'short' }, 'a password has 8 letters or more'],
    [{ ...ada, password: '' }, 'a password has 8 letters or more'],
    [{ ...ada, password: 12345678 }, 'a password is a text'],
    [{ ...ada, password: 'p'.repeat(73) }, 'a password has at most 72 bytes'],
    [{ ...ada, password: 'pass\0word' }, 'a password contains no zero byte'],
  ])('the insert of %j', async (row, why) => {
    const host = await open();
    expect(await refusal(() => host.db.insert('users', row))).toBe(why);
    expect(await host.scalar('SELECT count(*) FROM users')).toBe(0);
  });

  it('updates that would spoil a row, and takes those that do not mention it', async () => {
    const host = await open();
    await host.db.insert('users', { id: 1, ...ada });
    expect(await refusal(() => host.db.update('users', 1, { email: 'nobody' }))).toBe(
      '"nobody" is not an e-mail address',
    );
    expect(await refusal(() => host.db.update('users', 1, { name: ' ' }))).toBe('a name has 2 letters or more');
    expect(await refusal(() => host.db.update('users', 1, { password: 'short' }))).toContain('8 letters');
    await host.db.update('users', 1, { bio: 'engine' });
    expect(await host.rows('SELECT email, name, bio FROM users')).toEqual([{ ...ada, bio: 'engine' }]);
  });

  it('a hundred times without being quarantined: a caller’s mistake is no failure of the skill', async () => {
    const host = await open();
    const bad = [{ password: 'p'.repeat(80) }, { password: '\0'.repeat(9) }, { name: '' }, { email: [] }, { name: {} }];
    for (let round = 0; round < 20; round++) {
      for (const row of bad) await refusal(() => host.db.insert('users', { ...ada, ...row }));
    }
    host.healthy();
    await host.db.insert('users', ada);
  });
});

describe('user-hygiene', () => {
  it('trims and lower-cases, on insert and update', async () => {
    const host = await open();
    await host.db.insert('users', {
      id: 1,
      email: '\t Ada@Example.COM ',
      name: '  Ada  Lovelace\n',
      bio: '  as it is ',
    });
    const tidy = { email: 'ada@example.com', name: 'Ada  Lovelace', bio: '  as it is ' };
    expect(await host.rows('SELECT email, name, bio FROM users')).toEqual([tidy]);
    await host.db.update('users', 1, { email: ' ADA@b.org', name: ' Ada ' });
    expect(await host.rows('SELECT email, name, bio FROM users')).toEqual([
      { ...tidy, email: 'ada@b.org', name: 'Ada' },
    ]);
  });

  it('keeps passwords as hashes only: the plain one is nowhere in the file', async () => {
    const host = await open();
    host.db.subscribe(host.db.watch('users'), () => {});
    await host.db.insert('users', { id: 1, ...ada, password: 'first-secret-word' });
    await host.db.update('users', 1, { password: 'second-secret-word' });
    await host.db.flush();
    const [{ password_hash: hash } = {}] = await host.rows<{ password_hash: string }>(
      'SELECT password_hash FROM users',
    );
    expect(hash).toMatch(/^\$2b\$10\$/);
    expect(verifySync('second-secret-word', hash as string)).toBe(true);
    expect(await host.rows('SELECT count(*) AS n FROM _capsule_log')).toEqual([{ n: 2 }]);
    const bytes = [host.file, `${host.file}-wal`].map((path) => readFileSync(path, 'latin1')).join('');
    expect(bytes).toContain(hash);
    expect(bytes).not.toContain('secret-word');
  });

  it('refuses a password that would have to be stored as it is', async () => {
    const host = await open('CREATE TABLE users(id INTEGER PRIMARY KEY, email, name, password TEXT)');
    expect(await refusal(() => host.db.insert('users', { ...ada, password: 'correct horse' }))).toBe(
      'a password was given, and "users" has no column "password_hash" for its hash',
    );
  });

  it('makes slugs that nobody has, also within one insertMany', async () => {
    const host = await open();
    const names = [
      'Ada Lovelace',
      'Ada  Lovelace',
      'Zoë O’Neill',
      'Ägir Groß',
      '名前',
      '!!',
      '?!',
      'Ada Lovelace',
      'a*[b]',
    ];
    await host.db.insertMany(
      'users',
      names.map((name, index) => ({ email: `${index}@b`, name })),
    );
    await host.db.insert('users', { email: 'x@b', name: 'Ada Lovelace 7' });
    await host.db.insert('users', { email: 'y@b', name: 'Ada Lovelace' });
    await host.db.insert('users', { email: 'z@b', name: 'Ada Lovelace', slug: 'chosen' });
    await host.db.insert('users', { email: 'v@b', name: 'Łukasz 🚀 — Żółć '.repeat(50) });
    expect((await host.rows('SELECT slug FROM users ORDER BY id')).map(({ slug }) => slug)).toEqual([
      'ada-lovelace',
      'ada-lovelace-2',
      'zoe-oneill',
      'aegir-gross',
      '名前',
      'user',
      'user-2',
      'ada-lovelace-3',
      'a-b',
      'ada-lovelace-7',
      'ada-lovelace-8',
      'chosen',
      expect.stringMatching(/^lukasz-zolc-lukasz-[a-z-]{40,80}$/),
    ]);
  });

  it('leaves a slug when the name changes', async () => {
    const host = await open();
    await host.db.insert('users', { id: 1, ...ada });
    await host.db.update('users', 1, { name: 'Augusta' });
    expect(await host.scalar('SELECT slug FROM users')).toBe('ada');
  });

  it('verifies passwords', async () => {
    const host = await open();
    await host.db.insert('users', { id: 7, ...ada, password: 'correct horse' });
    await host.db.insert('users', { id: 8, email: 'bob@b', name: 'Bob' });
    const verify = (...args: unknown[]): Promise<unknown> => host.db.skills.call('user-hygiene', 'verify', ...args);
    expect(await verify(' ADA@example.com', 'correct horse')).toBe(7);
    expect((await verify('ada@example.com', 'correct mule')) ?? null).toBe(null);
    expect((await verify('eve@example.com', 'correct horse')) ?? null).toBe(null);
    expect((await verify('bob@b', '')) ?? null).toBe(null);
    expect((await thrownBy(() => verify('ada@example.com'))).message).toContain('two texts are needed');
  });

  it('leaves out what concerns columns the table does not have, until it has them', async () => {
    const host = await open('CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)');
    await host.db.insert('users', { id: 1, name: ' Ada ' });
    await host.db.execute('ALTER TABLE users ADD COLUMN slug TEXT');
    await host.db.insert('users', { id: 2, name: ' Bob ' });
    expect(await host.rows('SELECT * FROM users')).toEqual([
      { id: 1, name: 'Ada', slug: null },
      { id: 2, name: 'Bob', slug: 'bob' },
    ]);
  });

  it('does nothing, and says so, where there is no such table', async () => {
    const host = await open('CREATE TABLE members(id INTEGER PRIMARY KEY, email)');
    await host.db.insert('members', { email: ' X ' });
    expect(await host.scalar('SELECT email FROM members')).toBe(' X ');
    expect(host.db.skills.logs('user-hygiene').map(({ message }) => message)).toEqual([
      'there is no table "users" yet; nothing to do',
    ]);
  });

  it('serves other tables as the README shows, and no more than those', async () => {
    const host = await open(
      'CREATE TABLE members(number INTEGER PRIMARY KEY, mail, title, path, secret); CREATE TABLE users(id INTEGER PRIMARY KEY, email)',
      manifestInReadme('user-hygiene'),
    );
    await host.db.insert('users', { email: ' X ' });
    expect(await host.scalar('SELECT email FROM users')).toBe(' X ');
    await host.db.insert('members', { mail: ' A@B ', title: 'Q', passphrase: 'correct horse' });
    expect(await host.rows('SELECT mail, title, path, secret IS NOT NULL AS hashed FROM members')).toEqual([
      { mail: 'a@b', title: 'Q', path: 'q', hashed: 1 },
    ]);
    expect(await host.db.skills.call('user-hygiene', 'verify', 'a@b', 'correct horse')).toBe(1);
    expect(
      await refusal(() => host.db.insert('members', { mail: 'c@d', title: 'R', passphrase: 'too short' })),
    ).toContain('12');
  });
});
