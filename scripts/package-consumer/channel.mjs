// Both ends of a channel in a program that has no React.
import { connectLiveSource, serveLiveSource } from 'glyphcase/channel';
import { databaseLoaded } from './loaded.mjs';

const loaded = databaseLoaded();
const { GlyphCase } = await import('glyphcase');
const db = new GlyphCase(':memory:');
db.onAction('sum', ([a, b]) => a + b);
const { port1, port2 } = new MessageChannel();
const stop = serveLiveSource(db, port1);
const source = connectLiveSource(port2);
console.log(`${await source.request('sum', [1, 2])}, ${loaded}`);
source.close();
stop();
port1.close();
await db.close();
