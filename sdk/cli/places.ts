/**
 * Places in people's own files: what a message of the terminal points to.
 *
 * Invariant: a place is never in GlyphCase itself or in Node; in a package of node_modules only where there is no other.
 */
import { join, sep } from 'node:path';
import { isInside } from '../plugin-files/source.ts';
import { placesOf } from '../plugin-files/stack.ts';
import type { Place } from '../plugin-files/stack.ts';
import { shown } from './paths.ts';

const HOME = join(import.meta.dirname, '..', '..');
const OWN = ['kernel', 'plugins', 'sdk'].map((folder) => join(HOME, folder));

/** The place among these, innermost first, that somebody can do something about. */
export function peoplesPlace(places: Iterable<Place>): Place | undefined {
  let inPackage: Place | undefined;
  for (const place of places) {
    if (OWN.some((folder) => isInside(folder, place.file))) continue;
    if (!place.file.includes(`${sep}node_modules${sep}`)) return place;
    inPackage ??= place;
  }
  return inPackage;
}

/** Where an error comes from, such as `plugins/vat.ts:7:12`; undefined when its stack does not tell. */
export function placeText(thrown: unknown): string | undefined {
  const place = peoplesPlace(placesOf(thrown));
  return place && textOf(place);
}

/** A place as an editor takes it. */
export const textOf = ({ file, at }: Place): string => `${shown(file)}:${at}`;

/** The message with the place its error comes from behind it, unless it names that already. */
export function withPlace(message: string, thrown: unknown): string {
  const place = placeText(thrown);
  if (place === undefined) return message;
  const [end = place] = place.split(sep).slice(-1);
  return message.includes(end) ? message : `${message} (at ${place})`;
}
