/**
 * The connections of one Lua state to the hosts it may reach.
 *
 * Invariant: the address that is connected to is the one that was checked: the check is in the name lookup of the connection
 * itself, so a name that resolves differently the next time gains nothing. States share no connections.
 */
import { lookup as systemLookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { GlyphError } from '../../sdk/plugin.ts';
import type { Clock } from '../../sdk/plugin.ts';
import { canonical } from './addresses.ts';
import { exchange } from './exchange.ts';
import type { Fetch } from './exchange.ts';
import type { HostList } from './hosts.ts';
import type { HttpAnswer, HttpRequest } from './types.ts';

/** All addresses of a name: `dns.lookup` with `all`. */
export type Lookup = (
  host: string,
  options: { readonly all: true },
  done: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

export interface ClientOptions {
  readonly hosts: HostList;
  readonly clock: Clock;
  /** For tests. */
  readonly lookup?: Lookup | undefined;
}

/** Connections to one host at a time; each idle one is closed after 4 s. */
const CONNECTIONS = 4;
/** Until undici gives up connecting by itself, in ms; the request's own limit strikes first. */
const CONNECT_MS = 60_000;
/** Of all headers of an answer, in bytes. */
const MAX_HEADERS = 16_384;

interface Open {
  readonly fetch: Fetch;
  destroy(): Promise<void>;
}

export class Client {
  readonly #options: ClientOptions;
  #open: Promise<Open> | undefined;
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Sends a request and follows redirects. Failures are answers. @throws GC_CLOSED when it was given up on by `signal` or {@link close} */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { fetch } = await this.#connect();
    const { hosts, clock } = this.#options;
    return exchange(request, { fetch, hosts, clock, signal });
  }

  /** Ends every connection. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#open?.then(
      (open) => open.destroy(),
      () => undefined,
    );
  }

  async #connect(): Promise<Open> {
    this.#open ??= this.#load();
    const open = await this.#open;
    if (this.#closed) throw new GlyphError('GC_CLOSED', 'The connections of this skill were closed');
    return open;
  }

  /** Loading undici takes 100 ms and more: only who sends something pays for it. */
  async #load(): Promise<Open> {
    const { Agent, fetch } = await import('undici');
    const { hosts, lookup } = this.#options;
    const dispatcher = new Agent({
      connections: CONNECTIONS,
      // The time limit of an exchange is one over all of it, by the host's clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADERS,
      connect: { timeout: CONNECT_MS, lookup: checkedLookup(hosts, lookup ?? systemLookup) },
    });
    return {
      fetch: (url, init) => fetch(url, { ...init, dispatcher }),
      destroy: () => dispatcher.destroy(),
    };
  }
}

/** A lookup that gives only addresses that may be connected to. Not asked for hosts that are addresses themselves. */
function checkedLookup(hosts: HostList, lookup: Lookup): LookupFunction {
  return (name, options, done) => {
    const host = name.replace(/\.$/, '').toLowerCase();
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        done(error, '');
        return;
      }
      const open = addresses.filter(({ address }) => hosts.mayConnect(host, canonical(address)));
      const [first] = open;
      if (first === undefined) done(refused(host, addresses), '');
      else if (options.all === true) done(null, open);
      else done(null, first.address, first.family);
    });
  };
}

function refused(host: string, addresses: readonly LookupAddress[]): Error {
  const [first] = addresses;
  return first === undefined
    ? new Error(`${host} has no address`)
    : new Error(
        `${host} is at ${first.address}, which is not a public address; the manifest would need "permissions": { "network": ["${host}", "${first.address}"] }`,
      );
}
