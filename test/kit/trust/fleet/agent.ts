import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requests } from '../../../../src/client/requests.js';
import type { Teardown } from '../../umbra-program.js';
import type { TestNetwork } from './network.js';
import { LastingProgram, runProgram, umbra } from './program.js';
import type { FleetServer } from './server.js';

/** The directories of an agent. */
export interface AgentPlaces {
  readonly state: string;
  readonly scratch: string;
  /** For sockets: a short path. */
  readonly runtime: string;
}

const HOST = 'hv1';

/** A real agent at the other end of a network. */
export class FleetAgent {
  readonly #program: LastingProgram;
  readonly #network: TestNetwork;
  readonly #places: AgentPlaces;

  /** @param directory - for its configuration and log */
  constructor(t: Teardown, directory: string, network: TestNetwork, places: AgentPlaces, settings: object) {
    this.#network = network;
    this.#places = places;
    for (const path of [places.state, places.scratch, places.runtime])
      mkdirSync(path, { recursive: true, mode: 0o700 });
    const config = join(directory, 'agent.yaml');
    const { state, scratch } = places;
    // YAML is what JSON is a part of.
    writeFileSync(config, JSON.stringify({ ...settings, state, scratch, backups: 8, freezeSeconds: 60 }));
    const commandLine = network.within(...umbra('agent', 'run', '--config', config));
    this.#program = new LastingProgram(t, commandLine, join(directory, 'agent.log'), { TMPDIR: places.runtime });
  }

  async enrol({ client, url }: FleetServer): Promise<void> {
    const { token } = await client.call(requests.inviteAgent({ host: HOST, lifeSeconds: 3600 }));
    const { state } = this.#places;
    const options = ['--server', url, '--token', token, '--state', state, '--host', HOST];
    await runProgram(this.#network.within(...umbra('agent', 'enrol', ...options)));
  }

  start(): void {
    this.#program.start();
  }

  /** @throws Error if it has ended by itself before */
  async kill(): Promise<void> {
    this.#program.assertRunning();
    await this.#program.kill();
  }

  get pid(): number | undefined {
    return this.#program.pid;
  }

  assertRunning(): void {
    this.#program.assertRunning();
  }
}
