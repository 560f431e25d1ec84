/**
 * Which hosts a skill may reach: `permissions.network`, read once.
 *
 * Invariants: names are compared as the URL parser writes them (lower-case, punycode, addresses in their one form), so no spelling
 * slips through; `*.example.com` covers every name below example.com, not itself; an address that is not public, and `localhost`,
 * must be named themselves, by `*` they are not meant.
 */
import { isIP } from 'node:net';
import { isLoopback, isPublic } from './addresses.ts';

/** A host as the URL parser writes it, IPv6 without brackets; the port as a number in text. */
export interface Place {
  readonly host: string;
  readonly port: string;
}

interface Entry {
  readonly host: string;
  /** Undefined for any port. */
  readonly port: string | undefined;
  readonly below: boolean;
}

export interface HostList {
  /** Entries that name no host. */
  readonly unreadable: readonly string[];
  /** Whether a URL may be asked for. For names this is the first half: {@link mayConnect} is the other. */
  covers(place: Place): boolean;
  /** Whether a name that is covered may lead to this address. */
  mayConnect(host: string, address: string): boolean;
}

export function readHosts(network: readonly string[]): HostList {
  const read = network.filter((text) => text !== '*').map((text) => ({ text, entry: readEntry(text) }));
  const entries = read.flatMap(({ entry }) => entry ?? []);
  const isNamed = ({ host, port }: Place): boolean =>
    entries.some((entry) => !entry.below && entry.host === host && (entry.port ?? port) === port);
  const isBelow = ({ host, port }: Place): boolean =>
    entries.some((entry) => entry.below && host.endsWith(`.${entry.host}`) && (entry.port ?? port) === port);
  return {
    unreadable: read.filter(({ entry }) => entry === undefined).map(({ text }) => text),
    covers(place) {
      if (isNamed(place)) return true;
      if (isIP(place.host) !== 0 ? !isPublic(place.host) : isLocalName(place.host)) return false;
      return network.includes('*') || (isIP(place.host) === 0 && isBelow(place));
    },
    mayConnect(host, address) {
      if (isPublic(address) || (isLocalName(host) && isLoopback(address))) return true;
      return entries.some((entry) => entry.host === address && entry.port === undefined);
    },
  };
}

/** For the operator's own scripts. */
export const EVERYWHERE: HostList = { unreadable: [], covers: () => true, mayConnect: () => true };

/** Host and port of a URL. A dot at the end of a name, which means the same host, is left out. */
export function placeOf(url: URL): Place {
  return { host: bare(url.hostname), port: url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port };
}

/** Names that mean this machine wherever they are asked for (RFC 6761). */
const isLocalName = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

function readEntry(text: string): Entry | undefined {
  const below = text.startsWith('*.');
  const rest = below ? text.slice(2) : text;
  const authority = isIP(rest) === 6 ? `[${rest}]` : rest;
  if (authority === '' || /[/?#@\\*\s]/.test(authority)) return undefined;
  const url = URL.parse(`http://${authority}/`);
  if (url === null) return undefined;
  const host = bare(url.hostname);
  // The URL parser leaves out the port that is the scheme's own.
  const port = /:0*(\d+)$/.exec(authority.replace(/^\[.*\]/, ''))?.[1];
  return below && isIP(host) !== 0 ? undefined : { host, port, below };
}
