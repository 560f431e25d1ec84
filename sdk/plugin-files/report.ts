/** What is said of plugins that come from files. */
import type { PluginReport } from '../../kernel/plugins/types.ts';
import type { FilePluginReport } from '../manager-types.ts';
import type { TrackedFile } from './tracked-file.ts';

/** A running plugin keeps its state when an edit is broken, and says so among its reasons. */
export function withFile(report: PluginReport, file: TrackedFile | undefined): FilePluginReport {
  if (file === undefined) return report;
  const { error, options } = file;
  if (error === undefined || report.error !== undefined) return { ...report, file: options.label };
  return { ...report, file: options.label, error, reasons: [...report.reasons, error.message] };
}

/** A file from which nothing has been loaded goes by its path. */
export function reportOfFile({ error, options: { label } }: TrackedFile): FilePluginReport {
  return {
    id: label,
    version: '',
    state: 'failed',
    reasons: error === undefined ? [] : [error.message],
    ...(error === undefined ? {} : { error }),
    provides: {},
    requires: {},
    owns: { label, owned: [], children: [] },
    file: label,
  };
}
