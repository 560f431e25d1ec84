/** `glyphcase/testing`: what the tests of a skill's or a plugin's author use. */
export { runSkill } from './run-skill.ts';
export type { RunSkillOptions, SkillTest, SkillTestFailure, SkillTestLog, SkillTestResult } from './types.ts';
export { createTestHost } from './test-host.ts';
export type { AnyPlugin, TestHost, TestHostOptions } from './test-host.ts';
export type { TestEvent, TestLogLine } from './host-recorder.ts';
export type { BuiltinName, StandIns } from './providers.ts';
export { runPluginContract } from './contract/run.ts';
export type { PluginCheck, PluginCheckName, PluginContractOptions, PluginContractReport } from './contract/types.ts';
