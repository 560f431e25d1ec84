/**
 * `os.time` and `os.date` for Lua, without touching the interpreter's C library.
 *
 * Invariant: the C locale, every conversion of Lua 5.4's list (C99, without the modifiers E and O), and an error for any other; times are whole seconds.
 */
import { GlyphError } from '../../sdk/plugin.ts';
import type { LuaValue } from './types.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
] as const;
const MAX_FORMAT = 1_000;
const DAY_MS = 86_400_000;

/** Broken-down time, in UTC or in the machine's zone. */
interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** 1 is the first of January. */
  readonly yearDay: number;
  /** Minutes east of Greenwich. */
  readonly offset: number;
}

/** `os.time(fields)`: seconds since the epoch, and the fields in normal form. Missing fields are an error as in Lua. */
export function timeOf(fields: LuaValue | undefined): {
  readonly time: number;
  readonly fields: Record<string, number | boolean>;
} {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || fields instanceof Uint8Array) {
    throw new GlyphError('GC_LUA_VALUE', 'os.time: a table with year, month and day is needed');
  }
  const given = fields as { readonly [key: string]: LuaValue };
  const field = (name: string, fallback?: number): number => {
    const value = given[name] ?? fallback;
    if (value === undefined) throw new GlyphError('GC_LUA_VALUE', `field '${name}' missing in date table`);
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isInteger(number)) {
      throw new GlyphError('GC_LUA_VALUE', `field '${name}' is not an integer`);
    }
    return number;
  };
  const date = new Date(2000, 0, 1); // the constructor takes years below 100 for the 1900s, setFullYear does not
  date.setFullYear(field('year'), field('month') - 1, field('day'));
  date.setHours(field('hour', 12), field('min', 0), field('sec', 0), 0);
  if (Number.isNaN(date.getTime())) throw new GlyphError('GC_LUA_VALUE', 'the time cannot be represented');
  return { time: Math.floor(date.getTime() / 1000), fields: fieldsOf(partsOf(date, false)) };
}

/** `os.date(format, time)`: text, or a table for `*t` and `!*t`. `now` is in ms. */
export function dateOf(
  format: LuaValue | undefined,
  time: LuaValue | undefined,
  now: number,
): string | Record<string, number | boolean> {
  const text = format ?? '%c';
  if (typeof text !== 'string') throw new GlyphError('GC_LUA_VALUE', 'os.date: the format must be a string');
  if (text.length > MAX_FORMAT)
    throw new GlyphError('GC_LUA_VALUE', `os.date: the format is longer than ${MAX_FORMAT} characters`);
  const seconds = Number(time ?? Math.floor(now / 1000));
  const date = new Date(Math.floor(seconds) * 1000);
  if (Number.isNaN(date.getTime())) throw new GlyphError('GC_LUA_VALUE', 'os.date: the time cannot be represented');
  const utc = text.startsWith('!');
  const body = utc ? text.slice(1) : text;
  const parts = partsOf(date, utc);
  return body.startsWith('*t') ? fieldsOf(parts) : formatted(body, parts);
}

function partsOf(date: Date, utc: boolean): Parts {
  const offset = utc ? 0 : -date.getTimezoneOffset();
  const shifted = new Date(date.getTime() + offset * 60_000);
  const year = shifted.getUTCFullYear();
  return {
    year,
    month: shifted.getUTCMonth(),
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    weekday: shifted.getUTCDay(),
    yearDay: Math.floor((shifted.getTime() - startOfYear(year)) / DAY_MS) + 1,
    offset,
  };
}

/** Midnight UTC of the first of January. `Date.UTC` takes years below 100 for the 1900s. */
function startOfYear(year: number): number {
  return new Date(Date.UTC(2000, 0, 1)).setUTCFullYear(year);
}

function fieldsOf(parts: Parts): Record<string, number | boolean> {
  const { year, month, day, hour, minute, second, weekday, yearDay } = parts;
  return {
    year,
    month: month + 1,
    day,
    hour,
    min: minute,
    sec: second,
    wday: weekday + 1,
    yday: yearDay,
    isdst: false,
  };
}

function formatted(format: string, parts: Parts): string {
  return format.replace(/%([EO]?.?)/gsu, (whole, conversion: string) => {
    const write = CONVERSIONS[conversion];
    if (write === undefined) throw new GlyphError('GC_LUA_VALUE', `os.date: invalid conversion specifier '${whole}'`);
    return write(parts);
  });
}

const pad = (value: number, width = 2, fill = '0'): string => String(value).padStart(width, fill);
const day = (parts: Parts): string => DAYS[parts.weekday] ?? '';
const month = (parts: Parts): string => MONTHS[parts.month] ?? '';
const hour12 = (parts: Parts): number => parts.hour % 12 || 12;
const date = (parts: Parts): string => `${pad(parts.month + 1)}/${pad(parts.day)}/${pad(parts.year % 100)}`;
const time = (parts: Parts): string => `${pad(parts.hour)}:${pad(parts.minute)}:${pad(parts.second)}`;
/** Week of the year, weeks beginning on `first` (0 is Sunday). */
const week = (parts: Parts, first: number): number =>
  Math.floor((parts.yearDay + 6 - ((parts.weekday - first + 7) % 7)) / 7);

/** ISO 8601: the week belongs to the year that holds its Thursday. */
function isoWeek(parts: Parts): { readonly year: number; readonly week: number } {
  const midnight = startOfYear(parts.year) + (parts.yearDay - 1) * DAY_MS;
  const thursday = new Date(midnight + (3 - ((parts.weekday + 6) % 7)) * DAY_MS);
  const year = thursday.getUTCFullYear();
  return { year, week: Math.floor((thursday.getTime() - startOfYear(year)) / DAY_MS / 7) + 1 };
}

function zone(parts: Parts): string {
  const minutes = Math.abs(parts.offset);
  return `${parts.offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}${pad(minutes % 60)}`;
}

const CONVERSIONS: Readonly<Record<string, (parts: Parts) => string>> = Object.assign(
  Object.create(null) as Record<string, (parts: Parts) => string>,
  {
    a: (p: Parts) => day(p).slice(0, 3),
    A: (p: Parts) => day(p),
    b: (p: Parts) => month(p).slice(0, 3),
    B: (p: Parts) => month(p),
    c: (p: Parts) => `${day(p).slice(0, 3)} ${month(p).slice(0, 3)} ${pad(p.day, 2, ' ')} ${time(p)} ${p.year}`,
    C: (p: Parts) => pad(Math.floor(p.year / 100)),
    d: (p: Parts) => pad(p.day),
    D: date,
    e: (p: Parts) => pad(p.day, 2, ' '),
    F: (p: Parts) => `${p.year}-${pad(p.month + 1)}-${pad(p.day)}`,
    g: (p: Parts) => pad(isoWeek(p).year % 100),
    G: (p: Parts) => String(isoWeek(p).year),
    h: (p: Parts) => month(p).slice(0, 3),
    H: (p: Parts) => pad(p.hour),
    I: (p: Parts) => pad(hour12(p)),
    j: (p: Parts) => pad(p.yearDay, 3),
    m: (p: Parts) => pad(p.month + 1),
    M: (p: Parts) => pad(p.minute),
    n: () => '\n',
    p: (p: Parts) => (p.hour < 12 ? 'AM' : 'PM'),
    r: (p: Parts) => `${pad(hour12(p))}:${pad(p.minute)}:${pad(p.second)} ${p.hour < 12 ? 'AM' : 'PM'}`,
    R: (p: Parts) => `${pad(p.hour)}:${pad(p.minute)}`,
    S: (p: Parts) => pad(p.second),
    t: () => '\t',
    T: time,
    u: (p: Parts) => String(p.weekday || 7),
    U: (p: Parts) => pad(week(p, 0)),
    V: (p: Parts) => pad(isoWeek(p).week),
    w: (p: Parts) => String(p.weekday),
    W: (p: Parts) => pad(week(p, 1)),
    x: date,
    X: time,
    y: (p: Parts) => pad(p.year % 100),
    Y: (p: Parts) => String(p.year),
    z: zone,
    Z: (p: Parts) => (p.offset === 0 ? 'UTC' : `UTC${zone(p)}`),
    '%': () => '%',
  },
);
