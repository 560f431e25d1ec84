/**
 * Values as JSON and back: what JSON lacks (bigint, bytes, dates, infinities) is tagged `{ "$": type, "v": … }`.
 *
 * Invariant: `decode(JSON.parse(JSON.stringify(encode(value))))` equals the value, for everything a query or an action can hold.
 */
import { GlyphError } from '../../kernel/errors.ts';

/** What is none of these (functions, symbols, maps …) is tagged as what it is, for {@link decode} to refuse. */
export const encode = (value: unknown): unknown => encodeBy(value, unsupported);

/** @throws GC_BAD_VALUE for what cannot be expressed */
export const encodeStrictly = (value: unknown): unknown => encodeBy(value, refused);

type Otherwise = (kind: string) => unknown;

function encodeBy(value: unknown, otherwise: Otherwise): unknown {
  switch (typeof value) {
    case 'bigint':
      return tagged('bigint', String(value));
    case 'number':
      if (Object.is(value, -0)) return tagged('number', '-0');
      return Number.isFinite(value) ? value : tagged('number', String(value));
    case 'function':
    case 'symbol':
      return otherwise(typeof value);
    case 'object':
      return value === null ? null : encodeObject(value, otherwise);
    default:
      return value;
  }
}

function encodeObject(value: object, otherwise: Otherwise): unknown {
  if (value instanceof Uint8Array) return tagged('bytes', toBase64(value));
  if (value instanceof Date) return tagged('date', Number.isNaN(value.getTime()) ? null : value.toISOString());
  if (Array.isArray(value)) return value.map((one) => encodeBy(one, otherwise));
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (OTHERS.has(kind) || ArrayBuffer.isView(value)) return otherwise(kind);
  const entries = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, encodeBy(one, otherwise)]));
  return '$' in entries ? tagged('object', entries) : entries;
}

/** @throws GC_BAD_VALUE for what {@link encode} could not express */
export function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  if (!Object.hasOwn(value, '$')) return decodeEntries(value);
  const { $: tag, v: inner } = value as { readonly $: unknown; readonly v: unknown };
  switch (tag) {
    case 'bigint':
      return BigInt(inner as string);
    case 'number':
      return Number(inner);
    case 'bytes':
      return fromBase64(inner as string);
    case 'date':
      return new Date((inner as string | null) ?? Number.NaN);
    case 'object':
      return decodeEntries(inner as object);
    default:
      return refused(String(inner));
  }
}

/** Own properties whatever their names are, `__proto__` too. */
const decodeEntries = (value: object): object =>
  Object.fromEntries(Object.entries(value).map(([name, one]) => [name, decode(one)]));

/** What structured clones may be that has no properties to tell it by. */
const OTHERS: ReadonlySet<string> = new Set([
  'Map',
  'Set',
  'RegExp',
  'Error',
  'ArrayBuffer',
  'SharedArrayBuffer',
  'Blob',
]);

const unsupported: Otherwise = (kind) => tagged('unsupported', kind);

const refused: Otherwise = (kind) => {
  throw new GlyphError('GC_BAD_VALUE', `A ${kind} cannot be sent over a channel of texts`);
};

const tagged = (tag: string, value: unknown): object => ({ $: tag, v: value });

/** `String.fromCharCode` takes so many arguments everywhere. */
const CHUNK = 8192;

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
