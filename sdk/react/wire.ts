/**
 * What the two ends of a channel say to each other.
 *
 * Invariant: what comes from a client is checked before anything is done with it; ids are the client's, and it uses none twice.
 */
import { ERRORS, GlyphError, messageOf } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import type { Params, Row } from '../../kernel/database/types.ts';
import type { ChangeEvent } from '../capsule-types.ts';
import type { Target, WatchBatch, WatchRequest } from './live-source.ts';
import type { Piece } from './patch.ts';

/** What a client may ask for, as `serveLiveSource` asks its `allow` about it. */
export type ChannelRequest =
  | { readonly type: 'observe'; readonly target: Target }
  | { readonly type: 'watch'; readonly request: WatchRequest }
  | { readonly type: 'dispatch' | 'request'; readonly action: string; readonly payload?: unknown };

export type ToHost =
  | { readonly type: 'observe'; readonly id: number; readonly target: Target }
  | { readonly type: 'watch'; readonly id: number; readonly request: WatchRequest }
  | { readonly type: 'dispatch' | 'request'; readonly id: number; readonly action: string; readonly payload?: unknown }
  | { readonly type: 'release'; readonly id: number }
  /** It has read {@link READ_AT_ONCE} more messages of the channel. */
  | { readonly type: 'read'; readonly id: 0 };

/** A client says after so many messages that it has read them. */
export const READ_AT_ONCE = 8;

export type ToClient =
  /** The host serves no more. */
  | { readonly type: 'closed'; readonly id: 0 }
  | { readonly type: 'rows'; readonly id: number; readonly rows: readonly Row[] }
  | { readonly type: 'patch'; readonly id: number; readonly pieces: readonly Piece[] }
  | { readonly type: 'events'; readonly id: number; readonly events: ChangeEvent[]; readonly batch: WatchBatch }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError };

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export const toWireError = (error: unknown): WireError =>
  error instanceof GlyphError
    ? { code: error.code, message: error.message, hint: error.hint }
    : { code: 'GC_INTERNAL', message: messageOf(error) };

export function fromWireError({ code, message, hint }: WireError): GlyphError {
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'GC_INTERNAL';
  return new GlyphError(known, message, hint === undefined ? {} : { hint });
}

/** Why a message did not leave. */
export const unsendable = (thrown: unknown): GlyphError =>
  thrown instanceof GlyphError
    ? thrown
    : new GlyphError('GC_BAD_VALUE', `This cannot be sent over a channel: ${String(thrown)}`, { cause: thrown });

/** A message of a client, or undefined when it is none: whoever sent it speaks another language. Holds what it names and no more. */
export function readToHost(message: unknown): ToHost | undefined {
  if (!isRecord(message) || !Number.isSafeInteger(message['id'])) return undefined;
  const { type, id, action, payload } = message as unknown as ToHost & {
    readonly action: string;
    readonly payload: unknown;
  };
  switch (type) {
    case 'observe': {
      const target = readTarget(message['target']);
      return target && { type, id, target };
    }
    case 'watch': {
      const request = readRequest(message['request']);
      return request && { type, id, request };
    }
    case 'dispatch':
    case 'request':
      return { type, id, action, payload };
    case 'release':
      return { type, id };
    case 'read':
      return { type, id: 0 };
    default:
      return undefined;
  }
}

/** A message of the host, or undefined when it is none: others may post on the same port. */
export function readToClient(message: unknown): ToClient | undefined {
  if (!isRecord(message) || !Number.isSafeInteger(message['id'])) return undefined;
  const read = message as unknown as ToClient;
  switch (read.type) {
    case 'rows':
      return Array.isArray(read.rows) ? read : undefined;
    case 'patch':
      return Array.isArray(read.pieces) ? read : undefined;
    case 'events':
      return Array.isArray(read.events) && isRecord(read.batch) ? read : undefined;
    case 'failed':
      return isRecord(read.error) ? read : undefined;
    case 'answer':
    case 'closed':
      return read;
    default:
      return undefined;
  }
}

/** One or the other: who allows a row of one table must not let a SELECT pass. */
function readTarget(target: unknown): Target | undefined {
  if (!isRecord(target)) return undefined;
  const { sql, params, table, id } = target;
  if (typeof sql === 'string' && table === undefined) return { sql, params: params as Params };
  return typeof table === 'string' && sql === undefined ? { table, id } : undefined;
}

function readRequest(request: unknown): WatchRequest | undefined {
  if (!isRecord(request)) return undefined;
  const { tableOrQuery, filter, params, initial, debounce } = request as unknown as WatchRequest;
  return {
    tableOrQuery,
    ...(filter === undefined ? {} : { filter }),
    ...(params === undefined ? {} : { params }),
    ...(initial === undefined ? {} : { initial }),
    ...(debounce === undefined ? {} : { debounce }),
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
