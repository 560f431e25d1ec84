/** The error for what a skill's manifest does not declare: it shows the line that is missing. */
import { GlyphError } from '../../sdk/plugin.ts';

/**
 * @param what completes "The skill x may not …".
 * @param wanted the missing part of `permissions`, as it stands in manifest.json: `"schedule": true`.
 */
export function refusal(id: string, what: string, wanted: string): GlyphError {
  return new GlyphError(
    'GC_PERMISSION',
    `The skill ${id} may not ${what}. Its manifest.json would need "permissions": { ${wanted} }`,
    { skill: id },
  );
}
