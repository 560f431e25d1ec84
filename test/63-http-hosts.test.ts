/** Which hosts and addresses `permissions.network` covers, spellings and all. */
import { describe, expect, test } from 'vitest';
import { canonical, isLoopback, isPublic } from '../plugins/http/addresses.ts';
import { placeOf, readHosts } from '../plugins/http/hosts.ts';
import { readUrl } from '../plugins/http/request.ts';
import { thrownBy } from './support.ts';

const covers = (network: readonly string[], url: string): boolean => readHosts(network).covers(placeOf(readUrl(url)));

describe('addresses', () => {
  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '93.184.216.34',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '2606:4700:4700::1111',
    '2a00:1450:4001:800::200e',
    '64:ff9b::8.8.8.8',
  ])('%s is public', (address) => expect(isPublic(address)).toBe(true));

  test.each([
    ...['0.0.0.0', '0.1.2.3', '10.0.0.5', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254'],
    ...['172.16.0.1', '172.31.255.255', '192.0.0.8', '192.168.1.1', '198.18.0.1', '224.0.0.1', '240.0.0.1'],
    ...['255.255.255.255', '::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1'],
    ...['64:ff9b::127.0.0.1', '64:ff9b::a00:5', '64:ff9b::', '64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1'],
    ...['2002:7f00:1::', '3fff::1', 'fc00::1', 'fd12::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'],
    ...['', 'example.com', '1.2.3', '2606:4700::1%lo'],
  ])('%s is not', (address) => expect(isPublic(address)).toBe(false));

  test('loopback is 127.0.0.0/8 and ::1', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1', '0:0:0:0:0:0:0:1'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['128.0.0.1', '10.0.0.1', '::2', 'localhost', '::1%lo'].map(isLoopback)).toEqual(Array(5).fill(false));
  });

  test('one address has one form', () => {
    expect(canonical('0:0:0:0:0:0:0:1')).toBe('::1');
    expect(canonical('10.0.0.5')).toBe('10.0.0.5');
  });
});

describe('the list', () => {
  test.each([
    [['api.example.com'], 'https://api.example.com/x'],
    [['API.Example.com'], 'http://api.EXAMPLE.com:8080/'],
    [['api.example.com'], 'http://api.example.com./'],
    [['api.example.com.'], 'http://api.example.com/'],
    [['api.example.com:443'], 'https://api.example.com/'],
    [['api.example.com:8443'], 'https://api.example.com:8443/'],
    [['*.example.com'], 'https://a.example.com/'],
    [['*.example.com'], 'https://a.b.example.com/'],
    [['*.example.com:80'], 'http://a.example.com/'],
    [['bücher.example'], 'http://xn--bcher-kva.example/'],
    [['xn--bcher-kva.example'], 'http://BÜCHER.example/'],
    [['*'], 'https://anything.example/'],
    [['*'], 'http://8.8.8.8/'],
    [['127.0.0.1'], 'http://127.0.0.1:8080/'],
    [['127.0.0.1:8080'], 'http://2130706433:8080/'],
    [['::1'], 'http://[::1]/'],
    [['[::1]:8080'], 'http://[0:0:0:0:0:0:0:1]:8080/'],
    [['localhost'], 'http://localhost:3000/'],
    [['10.0.0.5'], 'http://10.0.0.5/'],
  ])('%j covers %s', (network, url) => expect(covers(network, url)).toBe(true));

  test.each([
    [[], 'https://api.example.com/'],
    [['api.example.com'], 'https://example.com/'],
    [['api.example.com'], 'https://api.example.com.evil.org/'],
    [['api.example.com'], 'https://xapi.example.com/'],
    [['api.example.com:8443'], 'https://api.example.com/'],
    [['*.example.com'], 'https://example.com/'],
    [['*.example.com'], 'https://evilexample.com/'],
    [['*.example.com:80'], 'https://a.example.com/'],
    [['*'], 'http://127.0.0.1/'],
    [['*'], 'http://localhost/'],
    [['*'], 'http://app.localhost/'],
    [['*'], 'http://169.254.169.254/latest/meta-data/'],
    [['*'], 'http://[::ffff:127.0.0.1]/'],
    [['*'], 'http://2130706433/'],
    [['*'], 'http://0x7f.1/'],
    [['*'], 'http://0177.0.0.1/'],
    [['*'], 'http://127.1/'],
    [['*'], 'http://0/'],
    [['*'], 'http://①②⑦.0.0.1/'],
    [['*.localhost'], 'http://app.localhost/'],
    [['127.0.0.1'], 'http://[::ffff:127.0.0.1]/'],
    [['127.0.0.1'], 'http://127.0.0.2/'],
    [['127.0.0.1:8080'], 'http://127.0.0.1/'],
    [['*.0.0.1'], 'http://127.0.0.1/'],
    [['https://api.example.com'], 'https://api.example.com/'],
  ])('%j does not cover %s', (network, url) => expect(covers(network, url)).toBe(false));

  test('entries that name no host are told', () => {
    const entries = [
      'https://x.com',
      'x.com/path',
      'a b',
      '',
      'user@x.com',
      'x.com?q',
      '*.1.2.3.4',
      'a.*.com',
      'x:99999',
    ];
    expect(readHosts([...entries, 'x.com', '*', '*.x.com', '::1', 'x.com:80']).unreadable).toEqual(entries);
  });

  test('a name leads to public addresses, and to others only when those are named, or it is localhost', () => {
    const named = readHosts(['intra.example', 'localhost', '10.0.0.5', '10.0.0.6:80', '::1']);
    const asked = (host: string, address: string): boolean => named.mayConnect(host, address);
    expect(asked('intra.example', '8.8.8.8')).toBe(true);
    expect(asked('intra.example', '10.0.0.5')).toBe(true);
    expect(asked('intra.example', '::1')).toBe(true);
    expect(asked('localhost', '127.0.0.1')).toBe(true);
    expect(asked('localhost', '10.1.1.1')).toBe(false);
    expect(asked('intra.example', '10.0.0.6')).toBe(false);
    expect(asked('intra.example', '127.0.0.1')).toBe(false);
    expect(asked('intra.example', '::ffff:10.0.0.5')).toBe(false);
  });
});

describe('URLs', () => {
  test.each([
    ['http://api.example.com@evil.org/', 'contains a user name'],
    ['http://:secret@evil.org/', 'contains a user name'],
    ['file:///etc/passwd', 'is not http or https'],
    ['ftp://example.com/', 'is not http or https'],
    ['javascript:alert(1)', 'is not http or https'],
    ['/relative', 'is not a URL'],
    ['http://', 'is not a URL'],
    ['http://exa mple.com/', 'is not a URL'],
    ['http://1.1.1.1.1/', 'is not a URL'],
    ['http://example..com/', 'names no host'],
    ['http://example.com../', 'names no host'],
    [`http://example.com/${'x'.repeat(8192)}`, 'longer than 8192'],
  ])('%s is refused', async (url, why) => {
    const error = await thrownBy(() => readUrl(url));
    expect([error.code, error.message]).toEqual(['GC_BAD_ARGUMENT', expect.stringContaining(why)]);
  });

  test('are sent in their one form', () => {
    expect(readUrl('HTTP://Example.COM./a b?q#f').href).toBe('http://example.com/a%20b?q');
    expect(readUrl('http://example.com\\@evil.org/').hostname).toBe('example.com');
  });
});
