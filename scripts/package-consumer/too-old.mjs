import { databaseLoaded } from './loaded.mjs';

const error = await import('glyphcase').then(
  () => ({ code: 'no error' }),
  (thrown) => thrown,
);
console.log(`${error.code}, ${databaseLoaded()}`);
