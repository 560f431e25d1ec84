import { definePlugin } from 'glyphcase/sdk';
import { databaseLoaded } from './loaded.mjs';

const plugin = definePlugin({ name: 'greeter', version: '1.0.0', activate() {} });
console.log(`${plugin.name}, ${databaseLoaded()}`);
