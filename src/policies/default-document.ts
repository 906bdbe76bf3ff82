/** What holds as long as nobody applied anything: {@link BUILT_IN_POLICIES} as a document, for somebody to go on from. */
export const DEFAULT_DOCUMENT = `# The policies of this store. "umbra policy edit" changes them; "umbra policy --help" explains them.
# A machine's policy is its own, else that of its group, else that of its host, else the default.

default: standard

policies:
  standard:
    shadowCopies:
      every: 4h             # or daily: [12:30, 22:00], or cron: 0 22 * * MON-FRI
    # replicate:            # between shadow copies; no version, but what may be lost becomes less
    #   every: 15min
    timeZone: UTC           # of calendars, of quiet times, and of the days, weeks, months and years below
    keep:
      counting: proxmox     # each rule goes on where the one before ended; or restic: each for itself
      last: 3
      daily: 7
      weekly: 4
      monthly: 12
    dataLoss: 24h           # older than this, the newest replica or shadow copy is reported
    quiet: []               # nothing begins then, as in: [mon-fri 08:00-18:00]
    consistency: crash      # or filesystem
    otherwise: accept       # what is less consistent; or fail: it stays, and its job fails
    minimumAge: 0           # as 14d: younger ones nobody deletes
    suddenChange: normal    # how much more than usual must change to raise an alarm, and keep what is older: off, low, normal or high

# groups:
#   databases:
#     policy: standard
#     machines: [db1, db2]
# hosts:
#   hv1:
#     policy: standard      # of the machines of this host
#     concurrent: 2         # backups at a time
#     bandwidth: 100MB/s
# machines:
#   web1:
#     policy: standard
`;
