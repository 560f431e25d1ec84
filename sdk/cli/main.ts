/** The `glyphcase` command. Importing this file runs it. */
import { endQuietlyOnClosedPipe } from './lifetime.ts';
import { run } from './program.ts';

/** Something that was not closed must not keep a finished command alive; in ms. */
const LINGER_MS = 500;

endQuietlyOnClosedPipe();
void run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  setTimeout(() => process.exit(), LINGER_MS).unref();
});
