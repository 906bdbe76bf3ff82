# shellcheck shell=bash
# What scripts/demo-vm starts, waits for and ends. Process numbers are kept in $work.

work=${work-}
readonly WAIT_SECONDS=300

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
note() { printf '  %s\n' "$*"; }

# Prints a command as a person would type it.
typed() {
  printf '$'
  printf ' %s' "$@"
  printf '\n'
}

show() {
  typed "$@"
  "$@"
}

# Says what went wrong, and what the programs in the background said last: their logs go with everything else.
fail() {
  local log
  printf 'demo-vm: %s\n' "$*" >&2
  for log in "$work"/*.log; do
    [[ ! -s $log ]] || printf -- '--- %s\n%s\n' "${log##*/}" "$(tail -n 5 "$log")" >&2
  done
  exit 1
}

# Waits until a command succeeds: WHAT COMMAND...
wait_for() {
  local what=$1 deadline=$((SECONDS + WAIT_SECONDS))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited $WAIT_SECONDS s for $what"
    expect_all_running
    sleep 0.1
  done
}

# Starts a program that Ctrl-C does not reach, and that goes on when this script has ended: NAME COMMAND...
in_background() {
  local name=$1
  shift
  setsid "$@" </dev/null >>"$work/$name.log" 2>&1 &
  echo $! >"$work/$name.pid"
  disown
}

expect_all_running() {
  local file
  for file in "$work"/*.pid; do
    [[ ! -e $file ]] || kill -0 "$(<"$file")" 2>/dev/null || fail "$(basename "$file" .pid) has ended"
  done
}

# Ends what in_background has started, and waits for it: NAME SIGNAL
end_process() {
  local pid deadline=$((SECONDS + 20))
  [[ -e $work/$1.pid ]] || return 0
  pid=$(<"$work/$1.pid")
  # The number may be another process's by now.
  while grep -qsF -- "$work" "/proc/$pid/cmdline"; do
    kill "-$2" "$pid" 2>/dev/null || true
    if ((SECONDS >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
      break
    fi
    sleep 0.1
  done
  rm -f "$work/$1.pid"
}
