/**
 * Asks a person at the terminal.
 *
 * Invariant: nothing but a typed yes is one: a program, a pipe, Ctrl-C and the end of the input are not.
 */
import { createInterface } from 'node:readline';
import { GlyphError } from '../../kernel/errors.ts';

/** @throws GC_INSTALL_REFUSED when there is nobody to ask */
export async function confirmed(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new GlyphError('GC_INSTALL_REFUSED', 'Nothing was changed: it must be confirmed, and this is no terminal', {
      hint: 'Read what is shown above; if it is what you want, add --yes',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      terminal.on('close', () => resolve(false));
      terminal.on('SIGINT', () => terminal.close());
      terminal.question(`${question} [y/N] `, (answer) => resolve(/^y(es)?$/i.test(answer.trim())));
    });
  } finally {
    terminal.close();
  }
}
