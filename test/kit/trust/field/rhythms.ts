import type { Random } from '../../random.js';

/** A document of policies, and what a test has to know of it. */
export interface Rhythm {
  readonly text: string;
  readonly minimumAgeMs: number;
}

const MINUTE_MS = 60_000;

/** Shadow copies all the time, few of which are kept. */
export function busy(random: Random): Rhythm {
  const isProtected = random.chance(0.5);
  const when = random.chance(0.5) ? 'every: 1min' : 'cron: "* * * * *"';
  const keep = random.chance(0.3) ? 'last: 1' : random.chance(0.5) ? 'last: 3' : 'last: 2, hourly: 2';
  const limits = random.chance(0.3) ? ', bandwidth: 20MiB/s' : '';
  return {
    text: `default: busy
policies:
  busy:
    shadowCopies: { ${when} }
    keep: { ${keep} }
    dataLoss: ${random.chance(0.5) ? '1min' : '5min'}
    minimumAge: ${isProtected ? '1min' : '0'}
hosts:
  hv1: { concurrent: ${random.between(1, 4)}${limits} }
`,
    minimumAgeMs: isProtected ? MINUTE_MS : 0,
  };
}

/** Nothing comes by itself, and nothing goes. */
export const CALM: Rhythm = {
  text: 'default: calm\npolicies: { calm: { shadowCopies: { every: 12h }, keep: all, dataLoss: 24h } }\n',
  minimumAgeMs: 0,
};
