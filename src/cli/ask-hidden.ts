import type { EventEmitter } from 'node:events';

import { UmbraError } from '../common/errors.js';

const ENTER: ReadonlySet<string> = new Set(['\r', '\n', '\u0004']);
const INTERRUPT = '\u0003';
const ERASE: ReadonlySet<string> = new Set(['\u007f', '\b']);
const ERASE_ALL = '\u0015';

/** What is needed of a terminal. */
export interface Terminal extends EventEmitter {
  setRawMode(isRaw: boolean): unknown;
  resume(): unknown;
  pause(): unknown;
}

/**
 * Ask a question whose answer is not shown while it is typed.
 * @throws {UmbraError} CANCELLED for Ctrl-C
 */
export async function askHidden(terminal: Terminal, write: (text: string) => void, question: string): Promise<string> {
  write(question);
  terminal.setRawMode(true);
  try {
    return await readAnswer(terminal);
  } finally {
    terminal.setRawMode(false);
    terminal.pause();
    write('\n');
  }
}

function readAnswer(terminal: Terminal): Promise<string> {
  return new Promise((resolve, reject) => {
    const typed: string[] = [];
    const decoder = new TextDecoder();
    const end = (settle: () => void): void => {
      terminal.removeListener('data', read);
      terminal.removeListener('end', enter);
      settle();
    };
    const enter = (): void => {
      end(() => {
        resolve(typed.join(''));
      });
    };
    const read = (part: Uint8Array | string): void => {
      for (const character of typeof part === 'string' ? part : decoder.decode(part, { stream: true })) {
        if (ENTER.has(character)) {
          enter();
          return;
        }
        if (character === INTERRUPT) {
          end(() => {
            reject(new UmbraError('CANCELLED', 'cancelled'));
          });
          return;
        }
        if (character === ERASE_ALL) typed.length = 0;
        else if (ERASE.has(character)) typed.pop();
        else typed.push(character);
      }
    };
    terminal.on('data', read);
    terminal.on('end', enter);
    terminal.resume();
  });
}
