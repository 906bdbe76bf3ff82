import type { Environment } from '../../src/cli/environment.js';

/** Both outputs of a command that runs in this process, kept as text, as of no terminal. */
export class CapturedOutput {
  stdout = '';
  stderr = '';

  get streams(): Pick<Environment, 'stdout' | 'stderr'> {
    const noTerminal = { terminalColumns: () => undefined, terminalRows: () => undefined };
    return {
      stdout: {
        write: (text) => (this.stdout += text),
        writeBytes: (bytes) => {
          this.stdout += Buffer.from(bytes).toString();
          return Promise.resolve();
        },
        ...noTerminal,
      },
      stderr: { write: (text) => (this.stderr += text), ...noTerminal },
    };
  }
}
