/** The capsule's options, as `new GlyphCase({ capsule })` takes them. */
import type { JsonSchema } from '../../sdk/plugin.ts';

export interface CapsuleConfig {
  /** Events after which a batch is delivered without waiting. */
  readonly batchSize: number;
  readonly retentionDays: number;
  readonly hardRetentionDays: number;
  readonly maxLogBytes?: number;
  readonly archive?: string;
}

export const capsuleConfig: JsonSchema = {
  type: 'object',
  properties: {
    batchSize: { type: 'integer', minimum: 1, default: 100 },
    retentionDays: { type: 'number', minimum: 0, default: 7 },
    hardRetentionDays: { type: 'number', minimum: 0, default: 90 },
    maxLogBytes: { type: 'integer', minimum: 1 },
    archive: { type: 'string', minLength: 1 },
  },
};
