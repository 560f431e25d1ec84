/**
 * What the two ends of a channel say to each other.
 *
 * Invariant: what comes from a client is checked before anything is done with it; ids are the client's, and it uses none twice.
 */
import { ERRORS, GlyphError, messageOf } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import type { Row } from '../../kernel/database/types.ts';
import type { ChangeEvent } from '../capsule-types.ts';
import type { Target, WatchBatch, WatchRequest } from './live-source.ts';
import type { Piece } from './patch.ts';

export type ToHost =
  | { readonly type: 'observe'; readonly id: number; readonly target: Target }
  | { readonly type: 'watch'; readonly id: number; readonly request: WatchRequest }
  | { readonly type: 'dispatch' | 'request'; readonly id: number; readonly action: string; readonly payload?: unknown }
  | { readonly type: 'release'; readonly id: number };

export type ToClient =
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

/** A message of a client, or undefined when it is none: whoever sent it speaks another language. */
export function readToHost(message: unknown): ToHost | undefined {
  if (!isRecord(message) || !Number.isSafeInteger(message['id'])) return undefined;
  switch (message['type']) {
    case 'observe':
      return isTarget(message['target']) ? (message as unknown as ToHost) : undefined;
    case 'watch':
      return isRecord(message['request']) ? (message as unknown as ToHost) : undefined;
    case 'dispatch':
    case 'request':
    case 'release':
      return message as unknown as ToHost;
    default:
      return undefined;
  }
}

const isTarget = (target: unknown): boolean =>
  isRecord(target) && (typeof target['sql'] === 'string' || typeof target['table'] === 'string');

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
