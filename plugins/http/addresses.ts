/**
 * Tells addresses of the public internet from those of this machine and the networks around it.
 *
 * Invariant: an allow-list where it can be one: of IPv6 only what is given out for global use (2000::/3), without the parts
 * reserved in it; what cannot be read is not public. Sources: the IANA special-purpose address registries (RFC 6890).
 */
import { BlockList, isIP } from 'node:net';

const SPECIAL_V4 = [
  ['0.0.0.0', 8, 'this host'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'carrier-grade NAT'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'protocol assignments'],
  ['192.0.2.0', 24, 'documentation'],
  ['192.88.99.0', 24, '6to4 relay'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'benchmarks'],
  ['198.51.100.0', 24, 'documentation'],
  ['203.0.113.0', 24, 'documentation'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved and broadcast'],
] as const;

const SPECIAL_V6 = [
  ['::', 3, 'loopback, IPv4-mapped and other special ones'],
  ['2001::', 23, 'Teredo and protocol assignments'],
  ['2001:db8::', 32, 'documentation'],
  ['2002::', 16, '6to4'],
  ['3fff::', 20, 'documentation'],
  ['4000::', 2, 'not assigned'],
  ['8000::', 1, 'unique local, link-local, multicast'],
] as const;

// Two lists: a rule for IPv6 that covers ::ffff:0:0/96 would cover every IPv4 address too.
const [specialV4, specialV6] = [new BlockList(), new BlockList()];
for (const [net, prefix] of SPECIAL_V4) specialV4.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of SPECIAL_V6) specialV6.addSubnet(net, prefix, 'ipv6');

/** NAT64 (RFC 6052): the last 32 bits are an IPv4 address, which is what counts. */
const nat64 = new BlockList();
nat64.addSubnet('64:ff9b::', 96, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether an address, as `dns.lookup` and URLs write it, belongs to the public internet. */
export function isPublic(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !specialV4.check(address, 'ipv4');
  if (family !== 6 || address.includes('%')) return false;
  if (nat64.check(address, 'ipv6')) return isPublic(lastFourBytes(address));
  return !specialV6.check(address, 'ipv6');
}

/** Whether it is this machine: 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !address.includes('%') && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** As URLs write it: `::1` for `0:0:0:0:0:0:0:1`. */
export function canonical(address: string): string {
  return isIP(address) === 6 && !address.includes('%')
    ? new URL(`http://[${address}]/`).hostname.slice(1, -1)
    : address;
}

/** `64:ff9b::7f00:1` → `127.0.0.1`. */
function lastFourBytes(address: string): string {
  const groups = canonical(address).split(':');
  const [high, low] = groups.slice(-2).map((group) => Number.parseInt(group === '' ? '0' : group, 16));
  return [high ?? 0, low ?? 0].flatMap((group) => [group >> 8, group & 255]).join('.');
}
