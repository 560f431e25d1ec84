/**
 * What belongs in the npm package: a pattern for every kind of file that may be there, and a list of what must be.
 *
 * Invariant: a file that no pattern names is refused, so nothing gets published by accident.
 */

const allowed: readonly RegExp[] = [
  /^(package\.json|README\.md|LICENSE|skills\.manifest\.schema\.json)$/,
  /^bin\/glyphcase\.js$/,
  /^dist\/skills\.manifest\.schema\.json$/,
  /^dist\/(kernel|plugins|sdk)\/.+\.(js|d\.ts|d\.cts)$/,
  /^dist\/(kernel|plugins|sdk)\/.+\.(lua|json|sql|wasm|html|css|svg)$/,
  /^skills\/[a-z0-9-]+\/.+\.(json|lua|sql|md)$/,
  /^types\/[a-z-]+\.d\.lua$/,
];

/** Refused even where a pattern above would let it pass. */
const refused = /(^|\/)(test|tests|bench|fixtures|node_modules|\.[^/]+)(\/|$)|\.test\.|\.(db|db-wal|db-shm|map|tgz)$/;

const required: readonly RegExp[] = [
  /^README\.md$/,
  /^LICENSE$/,
  /^skills\.manifest\.schema\.json$/,
  /^bin\/glyphcase\.js$/,
  /^dist\/sdk\/index\.js$/,
  /^dist\/sdk\/index\.d\.ts$/,
  /^dist\/sdk\/plugin\.js$/,
  /^dist\/sdk\/plugin\.d\.ts$/,
  /^dist\/sdk\/testing\/index\.js$/,
  /^dist\/sdk\/testing\/index\.d\.ts$/,
  /^dist\/sdk\/index\.d\.cts$/,
  /^dist\/sdk\/plugin\.d\.cts$/,
  /^dist\/sdk\/channel\.js$/,
  /^dist\/sdk\/channel\.d\.ts$/,
  /^dist\/sdk\/react\/index\.js$/,
  /^dist\/sdk\/react\/index\.d\.ts$/,
  /^dist\/sdk\/cli\/main\.js$/,
  /^dist\/plugins\/lua\/prelude\.js$/,
  /^skills\/[a-z0-9-]+\/manifest\.json$/,
  /^types\/glyphcase\.d\.lua$/,
  /^dist\/sdk\/testing\/expect\.lua$/,
  /^dist\/sdk\/testing\/runtime\.lua$/,
];

/** The files that should not be published. Paths are relative to the package, with forward slashes. */
export function unexpectedFiles(files: readonly string[]): readonly string[] {
  return files.filter((file) => refused.test(file) || !allowed.some((pattern) => pattern.test(file)));
}

/** The required files that are not there, as patterns made readable. */
export function missingFiles(files: readonly string[]): readonly string[] {
  const readable = (pattern: RegExp): string =>
    pattern.source.replaceAll(/^\^|\$$|\\/g, '').replaceAll('[a-z0-9-]+', '*');
  return required.filter((pattern) => !files.some((file) => pattern.test(file))).map(readable);
}
