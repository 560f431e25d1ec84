/**
 * Signs a skill's files, and checks who signed them.
 *
 * Invariant: a signature that is there and does not hold is an error whoever is trusted; one that holds says only whose key
 * it was, and trust is for the caller's list to say.
 */
import { createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GlyphError } from '../../kernel/errors.ts';
import { validate } from '../../kernel/schema/validate.ts';
import { fromBase64, keyIdOf, readPrivateKey, readPublicKey, toBase64 } from './keys.ts';
import { SIGNATURE_FILE, hashOf } from './hash.ts';
import type { SkillFiles } from './package-files.ts';
import { readSkillFiles } from './read-folder.ts';

interface SignatureFile {
  readonly algorithm: 'ed25519';
  /** Base64 of the public key as DER. */
  readonly publicKey: string;
  /** Of all other files. */
  readonly hash: string;
  /** Base64. */
  readonly signature: string;
}

const text = { type: 'string', minLength: 1 } as const;
const SCHEMA = {
  type: 'object',
  required: ['algorithm', 'publicKey', 'hash', 'signature'],
  properties: { algorithm: { type: 'string', enum: ['ed25519'] }, publicKey: text, hash: text, signature: text },
} as const;

/** Who signed a package. */
export interface Signature {
  readonly keyId: string;
  /** Whether the key is among the trusted ones; false also when there is no such list. */
  readonly trusted: boolean;
}

/** What is signed: a skill's hash, in words that no other use of the key would sign. */
const statement = (hash: string): Buffer => Buffer.from(`glyphcase skill 1\n${hash}\n`);

/**
 * Writes `signature.json` into a skill's folder.
 * @throws GC_BAD_ARGUMENT for a key that cannot be read, GC_BAD_PACKAGE for a folder that could not be installed
 */
export function signFolder(dir: string, keyFile: string): { readonly keyId: string; readonly hash: string } {
  const privateKey = readPrivateKey(keyFile);
  const publicKey = createPublicKey(privateKey);
  const hash = hashOf(readSkillFiles(dir));
  const content: SignatureFile = {
    algorithm: 'ed25519',
    publicKey: toBase64(publicKey),
    hash,
    signature: sign(null, statement(hash), privateKey).toString('base64'),
  };
  writeFileSync(join(dir, SIGNATURE_FILE), `${JSON.stringify(content, null, 2)}\n`);
  return { keyId: keyIdOf(publicKey), hash };
}

/**
 * Who signed these files; undefined when nobody did.
 * @param trustedKeys PEM, base64 or files
 * @throws GC_NOT_TRUSTED for a signature that does not hold, GC_BAD_OPTION for a trusted key that cannot be read
 */
export function signatureOf(files: SkillFiles, trustedKeys: readonly string[] = []): Signature | undefined {
  const trusted = trustedKeys.map((key) => keyIdOf(readPublicKey(key)));
  const bytes = files.get(SIGNATURE_FILE);
  if (bytes === undefined) return undefined;
  const content = parse(bytes);
  const publicKey = fromBase64(content.publicKey) ?? bad('its public key cannot be read');
  if (content.hash !== hashOf(files)) bad('files were added, changed or removed after it was signed');
  if (!isSigned(content, publicKey)) bad('the signature does not belong to the key and the files');
  const keyId = keyIdOf(publicKey);
  return { keyId, trusted: trusted.includes(keyId) };
}

const isSigned = ({ hash, signature }: SignatureFile, key: KeyObject): boolean =>
  verify(null, statement(hash), key, Buffer.from(signature, 'base64'));

function parse(bytes: Uint8Array): SignatureFile {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    bad('it is not valid JSON');
  }
  const checked = validate<SignatureFile>(SCHEMA, value, { what: SIGNATURE_FILE });
  if (checked.problems === undefined) return checked.value;
  const [first] = checked.problems;
  return bad(`${first?.path ?? ''} ${first?.message ?? ''}`.trim());
}

function bad(why: string): never {
  throw new GlyphError('GC_NOT_TRUSTED', `The package's ${SIGNATURE_FILE} is wrong: ${why}`, {
    hint: 'Somebody changed the package, or it was packed wrongly; get it anew from its author. --force does not help here.',
  });
}
