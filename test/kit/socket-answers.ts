import { connect } from 'node:net';

/** Whether somebody listens on a Unix socket. Its file is there a moment before: between `bind` and `listen`, connections are refused. */
export async function socketAnswers(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath);
  return await new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
