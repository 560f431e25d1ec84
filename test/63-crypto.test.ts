/** `crypto` in Lua: ids, hashes, random bytes, passwords. */
import { createHash, createHmac } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { fullHost } from './63-support.ts';
import type { SkillHost } from './60-skills-support.ts';
import { thrownBy } from './support.ts';

let host: SkillHost;
const lua = (source: string): Promise<unknown> => host.skills.execute(source);

beforeEach(async () => {
  // A hash takes 60 ms; on a machine with other work to do, many times as long.
  host = await fullHost({ lua: { limits: { time: '15s', memory: '64MB' } } });
});

describe('bad arguments', () => {
  test.each([
    ['crypto.sha256()', 'crypto.sha256: what is hashed must be a string, not nil'],
    ['crypto.sha256(1)', 'crypto.sha256: what is hashed must be a string, not a number'],
    ['crypto.hmac(nil, "x")', 'crypto.hmac: the key must be a string, not nil'],
    ['crypto.hmac("k", {})', 'crypto.hmac: what is signed must be a string, not a table or function'],
    ['crypto.random(0)', 'crypto.random: the number of bytes must be a whole number, 1 to 65536'],
    ['crypto.random(1.5)', 'a whole number'],
    ['crypto.random(65537)', '1 to 65536'],
    ['crypto.random("8")', 'a whole number'],
    ['crypto.bcrypt()', 'crypto.bcrypt: the password must be a string, not nil'],
    ['crypto.bcrypt_verify("x")', 'crypto.bcrypt_verify: the hash must be a string, not nil'],
  ])('%s', async (call, message) => {
    const error = await thrownBy(() => lua(`return ${call}`));
    expect(error.code).toBe('GC_BAD_ARGUMENT');
    expect(error.message).toContain(message);
  });
});

describe('hashes and ids', () => {
  test('uuid is a version 4 UUID, another each time', async () => {
    const [one, two] = (await lua('return { crypto.uuid(), crypto.uuid() }')) as string[];
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(one).not.toBe(two);
  });

  test('sha256 and hmac agree with node:crypto, for text and for bytes that are none', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x80, 0x41]);
    const raw = '"\\xff\\0\\x80A"';
    expect(await lua('return crypto.sha256("größe")')).toBe(createHash('sha256').update('größe').digest('hex'));
    expect(await lua(`return crypto.sha256(${raw})`)).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(await lua(`return crypto.hmac(${raw}, "x")`)).toBe(createHmac('sha256', bytes).update('x').digest('hex'));
    expect(await lua(`return crypto.hmac("key", ${raw})`)).toBe(
      createHmac('sha256', 'key').update(bytes).digest('hex'),
    );
    expect(await lua('return crypto.sha256("")')).toBe(createHash('sha256').digest('hex'));
  });

  test('random gives so many bytes as a string', async () => {
    expect(await lua('return { #crypto.random(1), #crypto.random(65536) }')).toEqual([1, 65_536]);
    expect(await lua('return crypto.random(16) ~= crypto.random(16)')).toBe(true);
  });
});

describe('passwords', () => {
  test('a hash verifies its own password and no other, and differs each time', async () => {
    const result = await lua(`
      local one, two = crypto.bcrypt("geheim ü"), crypto.bcrypt("geheim ü")
      return { one, one ~= two, crypto.bcrypt_verify("geheim ü", one), crypto.bcrypt_verify("geheim u", one) }`);
    const [hash, ...rest] = result as [string, ...boolean[]];
    expect(hash).toMatch(/^\$2b\$10\$.{53}$/);
    expect(rest).toEqual([true, true, false]);
  });

  test('reads hashes that other programs made', async () => {
    // From the test vectors of Openwall's crypt_blowfish.
    const known = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
    expect(await lua(`return crypto.bcrypt_verify("U*U", "${known}")`)).toBe(true);
    expect(await lua(`return crypto.bcrypt_verify("U*V", "${known}")`)).toBe(false);
  });

  test('refuses what bcrypt would cut off, and never verifies it', async () => {
    for (const [password, why] of [
      ['("a"):rep(73)', 'has 73 bytes, and bcrypt reads only the first 72'],
      ['("ü"):rep(37)', 'has 74 bytes'],
      ['"a\\0b"', 'contains a zero byte'],
    ] as const) {
      const error = await thrownBy(() => lua(`return crypto.bcrypt(${password})`));
      expect(error.message).toContain(why);
    }
    const long = await lua(`
      local hash = crypto.bcrypt(("a"):rep(72))
      return { crypto.bcrypt_verify(("a"):rep(72), hash), crypto.bcrypt_verify(("a"):rep(73), hash) }`);
    expect(long).toEqual([true, false]);
  });

  test('what is no hash is false; a hash that would take minutes is refused before any work', async () => {
    expect(await lua('return crypto.bcrypt_verify("x", "nonsense")')).toBe(false);
    expect(await lua('return crypto.bcrypt_verify("x", "\\xff\\xfe")')).toBe(false);
    const started = performance.now();
    const error = await thrownBy(() =>
      lua('return crypto.bcrypt_verify("x", "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")'),
    );
    expect(error.message).toContain('the hash has cost 31, which takes too long; at most 13 is verified');
    // Cost 31 is 2 million times the work of cost 10: a day and a half.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('hashing counts against the time limit', async () => {
    const limited = await fullHost({ lua: { limits: { time: '200ms', memory: '64MB' } } });
    const error = await thrownBy(() => limited.skills.execute('while true do crypto.bcrypt("x") end'));
    expect(error.code).toBe('GC_LUA_TIME');
  });
});
