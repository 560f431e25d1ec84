/**
 * ed25519 keys: made, read, and named by a fingerprint.
 *
 * Invariants: a private key is written for its owner alone, and never over another file; a private key is never taken for a
 * public one.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { GlyphError, messageOf } from '../../kernel/errors.ts';

/** What DER puts before the 32 bytes of an ed25519 public key (RFC 8410). */
const PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** A new pair: the private key in `file`, the public one in `file.pub`, both PEM. @throws GC_BAD_ARGUMENT when one exists */
export function writeNewKey(file: string): { readonly publicFile: string; readonly keyId: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const publicFile = `${file}.pub`;
  try {
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 });
    writeFileSync(publicFile, publicKey.export({ type: 'spki', format: 'pem' }), { flag: 'wx' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new GlyphError(
        'GC_BAD_ARGUMENT',
        `${messageOf(error).includes('.pub') ? publicFile : file} exists already`,
        {
          hint: 'A key is never overwritten: choose another file.',
        },
      );
    }
    throw error;
  }
  return { publicFile, keyId: keyIdOf(publicKey) };
}

/** @throws GC_BAD_ARGUMENT when the file holds no ed25519 private key */
export function readPrivateKey(file: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw new GlyphError('GC_BAD_ARGUMENT', `${file} cannot be read as a private key: ${messageOf(error)}`, {
      hint: 'Make one with: glyphcase skill sign --new-key FILE',
      cause: error,
    });
  }
  throw new GlyphError('GC_BAD_ARGUMENT', `${file} is not an ed25519 key`, {
    hint: 'Make one with: glyphcase skill sign --new-key FILE',
  });
}

/** A public key from PEM text, from base64 (DER or the 32 bytes), or from a file that holds one of these. @throws GC_BAD_OPTION */
export function readPublicKey(text: string): KeyObject {
  try {
    return parse(text.trim()) ?? parse(readFileSync(text, 'utf8').trim()) ?? fail('it holds no public key');
  } catch (error) {
    const shown = text.includes('\n') ? 'one of its keys' : `"${text}"`;
    throw new GlyphError('GC_BAD_OPTION', `trustedKeys: ${shown} cannot be read: ${messageOf(error)}`, {
      hint: 'Give public ed25519 keys as PEM, as base64, or as paths of .pub files.',
      cause: error,
    });
  }
}

function parse(text: string): KeyObject | undefined {
  if (text.includes('PRIVATE KEY')) fail('it is a private key, which should stay with its owner; give the .pub file');
  const key = text.includes('-----BEGIN') ? createPublicKey(text) : fromBase64(text);
  if (key !== undefined && key.asymmetricKeyType !== 'ed25519') fail('it is not an ed25519 key');
  return key;
}

/** Base64 of the key as DER, or of its 32 bytes. */
export function fromBase64(text: string): KeyObject | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const isDer = bytes.length === PREFIX.length + 32 && bytes.subarray(0, PREFIX.length).equals(PREFIX);
  if (!isDer && bytes.length !== 32) return undefined;
  return createPublicKey({ key: isDer ? bytes : Buffer.concat([PREFIX, bytes]), format: 'der', type: 'spki' });
}

export const toBase64 = (publicKey: KeyObject): string =>
  publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

/** `SHA256:` and base64 of the key's DER, as ssh shows keys. */
export const keyIdOf = (publicKey: KeyObject): string =>
  `SHA256:${createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64')
    .replace(/=+$/, '')}`;

function fail(why: string): never {
  throw new Error(why);
}
