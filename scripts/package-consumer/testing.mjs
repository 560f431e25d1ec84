import * as testing from 'glyphcase/testing';

console.log(['createTestHost', 'runPluginContract', 'runSkill'].filter((name) => name in testing).join(' '));
