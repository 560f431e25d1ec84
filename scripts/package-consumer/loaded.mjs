// Whether better-sqlite3 was evaluated; merely resolving an import of it already puts an unloaded entry in the cache.
import { createRequire } from 'node:module';

export function databaseLoaded() {
  const modules = Object.values(createRequire(import.meta.url).cache);
  const loaded = modules.some((module) => module.loaded && String(module.filename).includes('better-sqlite3'));
  return loaded ? 'a database was loaded' : 'no database loaded';
}
