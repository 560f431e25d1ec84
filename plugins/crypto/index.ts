/**
 * The plugin `crypto`: ids, hashes, random bytes and passwords for Lua, on `node:crypto` and bcrypt's native code.
 *
 * Invariant: Lua strings are bytes, in and out; no call can run much longer than a skill's time limit, because native code
 * cannot be stopped half way.
 */
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { HostFunction, LuaValue } from '../../sdk/lua-types.ts';
import { definePlugin, GlyphError } from '../../sdk/plugin.ts';
import type { SkillsService } from '../../sdk/skills-types.ts';
import { bytesArgument } from './arguments.ts';
import { hashPassword, verifyPassword } from './passwords.ts';

/** Most bytes one `crypto.random` gives. */
const MAX_RANDOM = 65_536;

const functions: Readonly<Record<string, HostFunction>> = {
  'crypto.uuid': () => randomUUID(),
  'crypto.sha256': (text) =>
    createHash('sha256')
      .update(bytesArgument(text, 'crypto.sha256', 'what is hashed'))
      .digest('hex'),
  'crypto.hmac': (key, text) =>
    createHmac('sha256', bytesArgument(key, 'crypto.hmac', 'the key'))
      .update(bytesArgument(text, 'crypto.hmac', 'what is signed'))
      .digest('hex'),
  'crypto.random': (count) => randomBytes(countArgument(count)),
  'crypto.bcrypt': hashPassword,
  'crypto.bcrypt_verify': verifyPassword,
};

function countArgument(count: LuaValue | undefined): number {
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= MAX_RANDOM) return count;
  throw new GlyphError(
    'GC_BAD_ARGUMENT',
    `crypto.random: the number of bytes must be a whole number, 1 to ${MAX_RANDOM}`,
  );
}

export default definePlugin({
  name: 'crypto',
  version: '1.0.0',
  requires: { skills: '^1.0.0' },
  activate(ctx) {
    const create = () => ({ functions });
    ctx.defer(ctx.use<SkillsService>('skills').extend({ name: 'crypto', create, adopt: create }), 'crypto');
  },
});
