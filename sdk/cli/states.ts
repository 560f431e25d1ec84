/** How the state of a plugin or skill looks: green when it runs, red when it failed, yellow in between. */
import { paint } from './output.ts';

const COLOUR: Readonly<Record<string, 'green' | 'red' | 'yellow' | 'dim'>> = {
  active: 'green',
  ready: 'green',
  failed: 'red',
  quarantined: 'red',
  incompatible: 'red',
  disabled: 'dim',
};

export function stateText(state: string): string {
  return paint(COLOUR[state] ?? 'yellow', state);
}

/** The state of a skill as the file tells it; what a host wrote means nothing once none is running. */
export function stateNow(skill: { readonly state: string; readonly enabled: boolean }, running: boolean): string {
  if (!skill.enabled) return 'disabled';
  return running ? skill.state : 'not running';
}
