/**
 * Passwords by bcrypt.
 *
 * Invariants: what bcrypt would quietly cut off is refused when a password is hashed, and never verified; a hash whose cost
 * would hold up the host is refused before any work is done.
 */
import { createRequire } from 'node:module';
import type * as Bcrypt from '@node-rs/bcrypt';
import type { HostFunction } from '../../sdk/lua-types.ts';
import { GlyphError } from '../../sdk/plugin.ts';
import { bytesArgument } from './arguments.ts';

/** 64 ms on a machine that needs 490 ms for cost 13. */
const COST = 10;
/** The most that is verified: each step doubles the time, and a skill's limit is 1 s. */
const MAX_COST = 13;
/** What bcrypt reads of a password. */
const MAX_BYTES = 72;

/** The form of a hash: version, cost, salt and hash. */
const HASH = /^\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}$/;

let loaded: typeof Bcrypt | undefined;

/** Native code, loaded when the first skill wants it. */
const bcrypt = (): typeof Bcrypt => (loaded ??= createRequire(import.meta.url)('@node-rs/bcrypt') as typeof Bcrypt);

/** `crypto.bcrypt(password)`: a hash in the usual form, `$2b$10$…`. */
export const hashPassword: HostFunction = (password) => {
  const bytes = Buffer.from(bytesArgument(password, 'crypto.bcrypt', 'the password'));
  const problem = problemOf(bytes);
  if (problem !== undefined) {
    throw new GlyphError('GC_BAD_ARGUMENT', `crypto.bcrypt: the password ${problem}`, {
      hint: 'Refuse such passwords, or hash them first: crypto.bcrypt(crypto.sha256(password)), and the same to verify.',
    });
  }
  return bcrypt().hashSync(bytes, COST);
};

/** `crypto.bcrypt_verify(password, hash)`: false also for a hash that is none, and for a password that `bcrypt` refuses. */
export const verifyPassword: HostFunction = (password, hash) => {
  const bytes = Buffer.from(bytesArgument(password, 'crypto.bcrypt_verify', 'the password'));
  const encoded = bytesArgument(hash, 'crypto.bcrypt_verify', 'the hash');
  const cost = costOf(encoded);
  if (cost === undefined) return false;
  if (cost > MAX_COST) {
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `crypto.bcrypt_verify: the hash has cost ${cost}, which takes too long; at most ${MAX_COST} is verified`,
    );
  }
  return problemOf(bytes) === undefined && bcrypt().verifySync(bytes, Buffer.from(encoded));
};

function problemOf(password: Buffer): string | undefined {
  if (password.length > MAX_BYTES) return `has ${password.length} bytes, and bcrypt reads only the first ${MAX_BYTES}`;
  return password.includes(0) ? 'contains a zero byte, where other programs’ bcrypt stops reading' : undefined;
}

function costOf(hash: string | Uint8Array): number | undefined {
  const cost = HASH.exec(Buffer.from(hash).toString('latin1'))?.[1];
  return cost === undefined ? undefined : Number(cost);
}
