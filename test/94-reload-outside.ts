/** A program beside the host, Python with its own SQLite, that writes until it is told to stop. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

const SCRIPT = `
import sqlite3, sys, threading, time
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None, check_same_thread=False)
writing, transaction = threading.Event(), threading.Lock()
def listen():
    for line in sys.stdin:
        if line.strip() == 'start':
            writing.set()
            continue
        with transaction: writing.clear()
        print('stopped', flush=True)
threading.Thread(target=listen, daemon=True).start()
print('ready', flush=True)
n = 0
while True:
    writing.wait()
    with transaction:
        if not writing.is_set(): continue
        db.execute('BEGIN IMMEDIATE')
        for _ in range(1 + n % 3):
            n += 1
            db.execute("INSERT INTO items(kind, n, by) VALUES (?, ?, 'outside')", ('abc'[n % 3], -n))
        if n % 4 == 0: db.execute("UPDATE items SET kind = 'c' WHERE by = 'outside' AND n > ?", (-n,))
        if n % 50 == 0: db.execute("DELETE FROM items WHERE by = 'outside' AND n < ? AND n > ?", (20 - n, 10 - n))
        db.execute('COMMIT')
    time.sleep(0.002)
`;

const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

export class OutsideWriter {
  readonly #file: string;
  #child: ChildProcess | undefined;
  #output = '';
  #stopping = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** Resolves when it has begun. */
  async start(): Promise<void> {
    if (this.#child === undefined) {
      this.#child = spawn('python3', ['-c', SCRIPT, this.#file], { stdio: ['pipe', 'pipe', 'inherit'] });
      this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    while (!this.#output.includes('ready')) await wait();
    this.#child.stdin?.write('start\n');
  }

  /** Resolves when it writes no more. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.#stopping) return;
    this.#stopping = true;
    this.#output = 'ready';
    child.stdin?.write('stop\n');
    while (!this.#output.includes('stopped') && child.exitCode === null) await wait();
    this.#stopping = false;
  }

  /** Ends the program. */
  async end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}
