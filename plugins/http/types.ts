/** What is asked for, and what came of it: the shapes that the parts of the plugin pass to each other. */
import type { LuaValue } from '../../sdk/lua-types.ts';

/** A request as it is sent, again and again if need be. */
export interface HttpRequest {
  readonly method: string;
  /** Absolute, without credentials and fragment. */
  readonly url: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** For the whole exchange, redirects and body included, in ms. */
  readonly timeoutMs: number;
}

/** What `http.request` was called with. */
export interface PlannedRequest extends HttpRequest {
  /** Comes back with the answer. */
  readonly context: LuaValue | undefined;
}

/** An answer, or why there is none. */
export interface HttpAnswer {
  /** The last address, after redirects. */
  readonly url: string;
  readonly status?: number;
  /** By lower-case name; `set-cookie` is a list. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Decoded. */
  readonly body?: Uint8Array;
  /** Why no answer came, in a sentence. */
  readonly error?: string;
}
