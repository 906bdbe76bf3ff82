# shellcheck shell=bash
# How scripts/demo-vm makes shadow copies and shows that they are exact. Needs machine.sh; the working directory is $work.

work=${work-}
readonly NUMBERS_BYTES=4M

round=0
exact_copies=0
wrong_copies=0
rows=()
copy=
first=

# The guest goes on writing. Only /data is at rest from when its files are summed and QEMU copies vda until Umbra
# has its instant, so that there is something to compare with; from then on the guest writes there too.
# "copy" is empty if there is no shadow copy: TRACKER
copy_while_running() {
  local before after
  announce 'the guest writes, brings /data to rest and sums its files; QEMU copies vda'
  in_guest web1 /bin/rest freeze >copies/sums
  copy_vda web1 "$work/copies/vda.raw"
  before=$(in_guest web1 /bin/cat /run/number)
  back_up "$1"
  [[ -n $copy ]] || return 0
  in_guest web1 /bin/rest thaw
  after=$(in_guest web1 /bin/cat /run/number)
  compare "$before" "$after"
}

copy_while_off() {
  local number
  announce 'the guest writes, ends its writers and sums its files; the machine is shut down, and QEMU copies vda'
  in_guest web1 /bin/rest stop >copies/sums
  number=$(in_guest web1 /bin/cat /run/number)
  shut_down web1
  copy_vda web1 "$work/copies/vda.raw"
  back_up "$1"
  [[ -n $copy ]] || return 0
  compare "$number" "$number"
}

announce() {
  round=$((round + 1))
  printf '\n'
  note "Round $round: $1"
  in_guest web1 /bin/change "$round"
}

# Sets "copy" to the name of the shadow copy: TRACKER
back_up() {
  copy=
  if show umbra backup web1 2>&1 | tee backup; then
    copy=$(of_backup 's/^web1@\([^ ]*\) made.*/\1/p')
    return
  fi
  add_row "$1" '(failed)' - - - - no
  wrong_copies=$((wrong_copies + 1))
  is_off web1 || in_guest web1 /bin/rest thaw
}

of_backup() { sed -n "$1" backup; }

# Everything that is in the mount, with what QEMU and the guest said it would be: LEAST-NUMBER MOST-NUMBER
compare() {
  local exact=no
  if is_exact "mount/web1/$copy" "$1" "$2"; then
    exact=yes
    exact_copies=$((exact_copies + 1))
    [[ -n $first ]] || keep_first
  else
    wrong_copies=$((wrong_copies + 1))
  fi
  add_row "$(of_backup 's/^  tracker \([^ ,]*\).*/\1/p')" "$copy" "$(of_backup 's/^  \(.*\) read, .*/\1/p')" \
    "$(of_backup 's/.* read, \(.*\) sent$/\1/p')" "$(of_backup 's/.* pause \(.*\)$/\1/p')" \
    "$(of_backup 's/.*, \([a-z]*\) consistency, .*/\1/p')" "$exact"
}

is_exact() {
  show cmp "$1/volumes/vda.raw" copies/vda.raw &&
    note 'vda is what QEMU copied, byte for byte.' &&
    are_files_right "$1/files/vda" copies/sums &&
    are_numbers_right "$1/volumes/vdb.raw" "$2" "$3"
}

are_files_right() {
  local sums=$work/$2
  typed cd "$1" '&&' sha256sum --check "$sums"
  (cd "$1" && sha256sum --check --quiet "$sums") || return 1
  diff <(cd "$1" && find . -type f | sort) <(sed 's/^[^ ]*  //' "$2" | sort) || return 1
  note "$(wc -l <"$2") files are there, with the checksums that the guest computed, and no others."
}

# The guest numbers the blocks of vdb, each durable before the next: any instant is a row without a gap.
are_numbers_right() {
  local row
  row=$(head -c "$NUMBERS_BYTES" "$1" | tr -d '\0' | sort -n |
    awk 'NR == 1 { least = $1 } NR > 1 && $1 != most + 1 { gap = 1 } { most = $1 } END { print least, most, gap + 0, NR }')
  local least most gap count
  read -r least most gap count <<<"$row"
  if ((gap != 0 || most < $2 || most > $3 + 1 || (least != 1 && count != 1024))); then
    note "vdb is wrong: the guest had written $2 before and $3 after, and vdb has $row"
    return 1
  fi
  note "vdb holds the numbers $least to $most without a gap; the guest had written $2 before and $3 after."
}

keep_first() {
  first=$copy
  cp --sparse=always copies/vda.raw copies/first.raw
  cp copies/sums copies/first.sums
}

restore_first() {
  [[ -n $first ]] || fail 'there is no shadow copy that could be restored'
  show umbra restore "web1@$first" --to restored
  show cmp restored/vda.raw copies/first.raw
  define_machine restored raw "$work/restored/vda.raw" "$work/restored/vdb.raw" quiet-guest
  boot restored
  in_guest restored /bin/rest >copies/sums
  cmp copies/sums copies/first.sums
  note 'The guest has booted from what was restored, and computes the same checksums as then.'
  shut_down restored
}

# TRACKER SHADOW-COPY READ SENT PAUSE CONSISTENCY EXACT
add_row() { rows+=("$(printf '%-13s  %-22s  %10s  %10s  %8s  %-12s  %s' "$@")"); }

print_table() {
  printf '%-13s  %-22s  %10s  %10s  %8s  %-12s  %s\n' TRACKER 'SHADOW COPY' READ SENT PAUSE CONSISTENCY EXACT
  printf '%s\n' "${rows[@]}"
}
