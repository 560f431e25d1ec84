/** `glyphcase skill sign`: says by a signature whose a skill is. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { GlyphError } from '../../../kernel/errors.ts';
import { UsageError } from '../errors.ts';
import { examples } from '../options.ts';
import { note, paint, print } from '../output.ts';
import { isFolder } from '../paths.ts';

interface SignOptions {
  readonly key?: string;
  readonly newKey?: string;
}

export function addSkillSign(skill: Command): void {
  skill
    .command('sign')
    .summary('sign a skill, or make a key for it')
    .description(
      'Signs a skill: signature.json then holds a hash of all its other files, signed by your ed25519 key. Sign last: every later ' +
        'change makes the signature void. With --new-key it makes a key: FILE, which is yours alone, and FILE.pub for those who trust you.',
    )
    .argument('[folder]', 'folder of the skill')
    .option('--key <file>', 'private key, PEM')
    .option('--new-key <file>', 'make a key pair; with a folder, sign with it at once')
    .addHelpText(
      'after',
      examples(
        ['glyphcase skill sign --new-key me.key', 'me.key and me.key.pub'],
        ['glyphcase skill sign skills/invoices --key me.key', 'writes skills/invoices/signature.json'],
      ),
    )
    .action(sign);
}

async function sign(folder: string | undefined, { key, newKey }: SignOptions): Promise<void> {
  if (key !== undefined && newKey !== undefined) throw new UsageError('--key and --new-key exclude each other');
  if (folder === undefined && newKey === undefined)
    throw new UsageError('There is nothing to sign', 'Name the folder of a skill.');
  if (key === undefined && newKey === undefined) {
    throw new UsageError('A signature needs a key: --key FILE', 'glyphcase skill sign --new-key FILE makes one');
  }
  if (folder !== undefined) await refuseUnfinished(folder);
  const { writeNewKey } = await import('../../install/keys.ts');
  if (newKey !== undefined) {
    const { publicFile, keyId } = writeNewKey(newKey);
    print(`${paint('green', 'created')}  ${newKey}  keep it to yourself`);
    print(`${paint('green', 'created')}  ${publicFile}  for skills.trustedKeys of those who trust you`);
    print(`key      ${keyId}`);
  }
  if (folder === undefined) return;
  const { signFolder } = await import('../../install/signature.ts');
  const { keyId, hash } = signFolder(folder, (key ?? newKey) as string);
  print(`${paint('green', 'signed')}   ${join(folder, 'signature.json')}`);
  print(`hash     ${hash}`);
  if (newKey === undefined) print(`key      ${keyId}`);
  note('A change of any of its files makes the signature void.');
}

/** What could not be installed is not worth a signature. */
async function refuseUnfinished(folder: string): Promise<void> {
  if (!isFolder(folder))
    throw new GlyphError('GC_BAD_ARGUMENT', `There is no folder ${folder}`, { hint: 'Name the folder of a skill.' });
  const { checkSkill } = await import('../../maintenance/skill-check.ts');
  const first = checkSkill(folder).problems.find((problem) => problem.level === 'error');
  if (first === undefined) return;
  throw new GlyphError('GC_BAD_MANIFEST', `${first.file}:${first.line}: ${first.message}`, {
    hint: `glyphcase skill check ${folder} shows everything that is wrong.`,
  });
}
