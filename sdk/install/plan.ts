/** Says what an installation would do, and refuses what it must not do. */
import { join } from 'node:path';
import semver from 'semver';
import { GlyphError } from '../../kernel/errors.ts';
import { missingDependencies } from './candidate.ts';
import type { CheckedSkill, Installed } from './candidate.ts';
import { hashOf } from './hash.ts';
import type { Fetched } from './fetch.ts';
import { diffPermissions } from './permission-diff.ts';
import { signatureOf } from './signature.ts';
import type { Signature } from './signature.ts';
import type { InstallOptions, InstallPlan } from './types.ts';

export interface PlanOptions {
  readonly options: Pick<InstallOptions, 'force' | 'trustedKeys'>;
  readonly dir: string;
  readonly source: string;
  readonly fetched: Fetched;
  readonly checked: CheckedSkill;
  readonly installed: Installed | undefined;
}

/** @throws GC_NOT_TRUSTED, GC_DOWNGRADE, GC_INSTALL_REFUSED, GC_BAD_OPTION */
export function planOf({ options, dir, source, fetched, checked, installed }: PlanOptions): InstallPlan {
  const { manifest } = checked;
  const { files, resolved } = fetched;
  const signature = signatureOf(files, options.trustedKeys);
  const hash = hashOf(files);
  if (options.force !== true) {
    refuseUntrusted(manifest.id, signature, options.trustedKeys);
    if (installed !== undefined) refuseOverwriting(join(dir, manifest.id), manifest.version, installed);
  }
  return {
    id: manifest.id,
    name: manifest.name,
    version: manifest.version,
    source,
    hash,
    files: files.size,
    bytes: [...files.values()].reduce((sum, content) => sum + content.length, 0),
    dir: join(dir, manifest.id),
    permissions: manifest.permissions,
    diff: diffPermissions(installed?.manifest?.permissions, manifest.permissions),
    missing: missingDependencies(dir, manifest),
    warnings: [...warningsOf(manifest.version, hash, installed, signature, options.trustedKeys), ...checked.warnings],
    ...(manifest.description === undefined ? {} : { description: manifest.description }),
    ...(manifest.author === undefined ? {} : { author: manifest.author }),
    ...(resolved === undefined ? {} : { resolved }),
    ...(signature === undefined ? {} : { signature }),
    ...(installed?.manifest === undefined ? {} : { previous: installed.manifest.version }),
  };
}

function refuseUntrusted(id: string, signature: Signature | undefined, keys: readonly string[] | undefined): void {
  if (keys === undefined || signature?.trusted === true) return;
  const why = signature === undefined ? 'is not signed' : `is signed by ${signature.keyId}, which is not trusted`;
  throw new GlyphError(
    'GC_NOT_TRUSTED',
    `The skill ${id} ${why}, and only skills signed by a trusted key are installed`,
    {
      hint: 'Trust its key (skills.trustedKeys, --trusted-key), or install it all the same with --force.',
      skill: id,
    },
  );
}

function refuseOverwriting(folder: string, version: string, { manifest, entry, hash }: Installed): void {
  if (manifest !== undefined && semver.lt(version, manifest.version)) {
    throw new GlyphError(
      'GC_DOWNGRADE',
      `${folder} holds version ${manifest.version}, which is newer than ${version}`,
      {
        hint: 'Install it all the same with --force; a database on which the newer one has run may not suit the older.',
        skill: manifest.id,
      },
    );
  }
  if (entry !== undefined && entry.hash !== hash) {
    throw new GlyphError(
      'GC_INSTALL_REFUSED',
      `${folder} was changed since it was installed; the changes would be lost`,
      {
        hint: 'Keep a copy of them, then install with --force.',
      },
    );
  }
}

function warningsOf(
  version: string,
  hash: string,
  installed: Installed | undefined,
  signature: Signature | undefined,
  trustedKeys: readonly string[] | undefined,
): readonly string[] {
  const { manifest, entry, hash: before } = installed ?? {};
  const wasSigned = entry?.signedBy;
  return [
    ...(installed !== undefined && entry === undefined && before !== hash
      ? ['The folder it replaces was not installed by this command; its files are lost.']
      : []),
    ...(entry !== undefined && entry.hash !== before ? ['What was changed since it was installed is lost.'] : []),
    ...(manifest?.version === version && before !== hash
      ? [`It has other files than version ${version} that is here.`]
      : []),
    ...(wasSigned !== undefined && wasSigned !== signature?.keyId
      ? [
          `The version that is here was signed by ${wasSigned}; this one ${signature === undefined ? 'is not signed' : 'by another key'}.`,
        ]
      : []),
    ...(trustedKeys !== undefined && signature?.trusted !== true ? ['No key that you trust has signed it.'] : []),
  ];
}
