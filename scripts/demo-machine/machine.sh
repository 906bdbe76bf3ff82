# shellcheck shell=bash
# The machine of scripts/demo-vm, in a libvirt of its own. All of it lies in $work. Needs processes.sh.

work=${work-}
kernel=
initrd=

# Without a terminal: on one virsh starts polkit's agent, which complains where there is no polkit.
virsh() { setsid --wait virsh "$@"; }

# Starts a libvirtd that nobody else knows, and that knows nothing of the user's: as root in a mount namespace where
# libvirt's directories are others, and the system's bus and cgroups are not there; else as a session of its own.
start_libvirt() {
  mkdir -p "$work/libvirt"/{config/libvirt,run,state,data,cache,log}
  printf '%s\n' 'dynamic_ownership = 0' 'remember_owner = 0' 'security_driver = "none"' 'namespaces = []' \
    'cgroup_controllers = []' 'stdio_handler = "file"' >"$work/libvirt/config/libvirt/qemu.conf"
  ((EUID != 0)) || printf 'user = "root"\ngroup = "root"\n' >>"$work/libvirt/config/libvirt/qemu.conf"
  printf '%s\n' "unix_sock_dir = \"$work/libvirt/run\"" 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' \
    "log_outputs = \"2:file:$work/libvirt/log/libvirtd.log\"" >"$work/libvirt/libvirtd.conf"
  if ((EUID == 0)); then start_libvirt_of_root; else start_libvirt_of_user; fi
  wait_for libvirtd virsh -q list
}

start_libvirt_of_root() {
  local directory
  for directory in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    [[ -d $directory ]] || { mkdir "$directory" && printf '%s\n' "$directory" >>"$work/made-directories"; }
  done
  with_qemu_account passwd 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'
  with_qemu_account group 'libvirt-qemu:x:64055:'
  # The first process of a process namespace buries QEMUs, and takes them with it. It must not be libvirtd.
  # shellcheck disable=SC2016
  in_background libvirt unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash -c '
    set -e
    mount -t tmpfs tmpfs /run
    mkdir /run/libvirt
    umount --recursive --lazy /sys/fs/cgroup 2>/dev/null || true
    mount --bind "$1/config/libvirt" /etc/libvirt
    mount --bind "$1/data" /var/lib/libvirt
    mount --bind "$1/cache" /var/cache/libvirt
    mount --bind "$1/log" /var/log/libvirt
    mount --bind "$1/passwd" /etc/passwd
    mount --bind "$1/group" /etc/group
    libvirtd -f "$1/libvirtd.conf" -p "$1/pid" &
    wait
  ' bash "$work/libvirt"
}

# Accounts as the machine has them, and the one that libvirt asks for before it reads that it is to use root. Debian makes it
# with a package that nobody needs here.
with_qemu_account() {
  cat "/etc/$1" >"$work/libvirt/$1"
  grep -q '^libvirt-qemu:' "/etc/$1" || printf '%s\n' "$2" >>"$work/libvirt/$1"
}

start_libvirt_of_user() {
  in_background libvirt env XDG_CONFIG_HOME="$work/libvirt/config" XDG_CACHE_HOME="$work/libvirt/cache" \
    XDG_DATA_HOME="$work/libvirt/data" XDG_RUNTIME_DIR="$work/libvirt/state" \
    libvirtd -f "$work/libvirt/libvirtd.conf" -p "$work/libvirt/pid"
}

# Ends it, with the machines that still run. Those of root go with their namespace in any case.
stop_libvirt() {
  local domain file
  for domain in $(timeout 30 virsh -q list --name 2>/dev/null); do
    timeout 30 virsh -q destroy "$domain" >/dev/null 2>&1 || true
  done
  end_process libvirt KILL
  for file in "$work"/libvirt/state/libvirt/qemu/run/*.pid; do
    [[ ! -e $file ]] || ! grep -qsF -- "$work" "/proc/$(<"$file")/cmdline" || kill -KILL "$(<"$file")" || true
  done
}

# A machine with two disks: NAME FORMAT IMAGE-OF-VDA IMAGE-OF-VDB [KERNEL-ARGUMENT]
define_machine() {
  local xml=$work/$1.xml
  cat >"$xml" <<END
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>$kernel</kernel>
    <initrd>$initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable cryptomgr.notests ${5-}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>$(command -v qemu-system-x86_64)</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='$2'/><source file='$3'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='$2'/><source file='$4'/><target dev='vdb' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='$work/$1.console'/></serial>
    <channel type='unix'>
      <source mode='bind' path='$work/$1.agent'/><target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <memballoon model='none'/>
  </devices>
</domain>
END
  virsh -q define "$xml" >/dev/null
}

is_up() { ask_guest "$1" '{"execute":"guest-ping"}' >/dev/null; }
is_off() { [[ $(virsh -q domstate "$1") == 'shut off' ]]; }

boot() {
  show virsh start "$1"
  wait_for "the guest of $1" is_up "$1"
}

shut_down() {
  show virsh shutdown "$1" --mode agent
  wait_for "the end of $1" is_off "$1"
}

ask_guest() { virsh -q qemu-agent-command "$1" "$2" 2>/dev/null; }

# Runs a program of a machine's guest, by QEMU's guest agent: MACHINE PROGRAM [ARGUMENT]. Prints what it prints.
in_guest() {
  local program="{\"path\":\"$2\",\"arg\":[${3+\"$3\"}],\"capture-output\":true}" answer pid
  answer=$(ask_guest "$1" "{\"execute\":\"guest-exec\",\"arguments\":$program}") || fail "the guest of $1 does not answer"
  pid=$(field pid <<<"$answer")
  wait_for "$2 in the guest" has_ended "$1" "$pid" "$work/guest-answer"
  [[ $(field exitcode <"$work/guest-answer") == 0 ]] || fail "$2 failed in the guest of $1"
  field out-data <"$work/guest-answer" | base64 --decode
}

has_ended() {
  ask_guest "$1" "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":$2}}" >"$3" &&
    [[ $(field exited <"$3") == true ]]
}

# A field of what a guest agent answers: a number, a truth value, or text in base64.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }

# QEMU's own copy of a machine's vda at this instant: MACHINE FILE
copy_vda() {
  local source
  rm -f "$2"
  if is_off "$1"; then
    source=$(virsh -q domblklist "$1" | sed -n 's/^ *vda *//p')
    qemu-img convert -O raw "$source" "$2"
    return
  fi
  printf "<domainbackup mode='push'><disks>%s%s</disks></domainbackup>" \
    "<disk name='vda' backup='yes' type='file'><target file='$2'/><driver type='raw'/></disk>" \
    "<disk name='vdb' backup='no'/>" >"$work/copy.xml"
  virsh -q backup-begin "$1" "$work/copy.xml" >/dev/null
  wait_for "QEMU's copy" has_no_job "$1"
  virsh -q domjobinfo "$1" --completed >"$work/copy-job"
  grep -q '^Job type: *Completed' "$work/copy-job" || fail "QEMU could not copy vda of $1: $(<"$work/copy-job")"
}

has_no_job() { virsh -q domjobinfo "$1" | grep -q '^Job type: *None'; }
