/** The Debian packages of the machines, besides those of priority `important`. */
export const ROLES = {
  /** A base server. */
  a: [
    'ca-certificates',
    'cron',
    'curl',
    'git',
    'less',
    'logrotate',
    'man-db',
    'nginx-light',
    'openssh-server',
    'python3',
    'rsync',
    'rsyslog',
    'sudo',
    'vim-tiny',
  ],
  /** Another role: a database server with an administrator's tools. */
  b: [
    'ca-certificates',
    'cron',
    'curl',
    'git',
    'htop',
    'less',
    'logrotate',
    'man-db',
    'openssh-server',
    'postgresql',
    'python3',
    'rsync',
    'rsyslog',
    'sudo',
    'tmux',
    'vim',
  ],
} as const;

/** What the day's work on A installs, and what it unpacks again as an upgrade does. */
export const INSTALLED = ['htop', 'postgresql-client', 'tmux'];
export const UPGRADED = ['bash', 'openssh-client', 'perl-base'];
