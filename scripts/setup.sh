# shellcheck shell=bash
# Sourced by the other scripts: makes .venv from the lock, once; `set_up` with nothing to do costs a few milliseconds.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
uv_version=0.13.8      # used where the machine has no uv
uv_oldest=0.9          # reads this lock
needed_mb=900          # environment and its download, without what a model brings
unset VIRTUAL_ENV
export UV_PYTHON_DOWNLOADS=never

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# set_up [--extra=NAME | --group=NAME | --all-extras]…: the environment holds at least these afterwards.
set_up() {
  local stamp="$root/.venv/.set-up" hash want missing=()
  hash=$(cat "$root/uv.lock" "$root/pyproject.toml" | cksum)
  if [[ -x $root/.venv/bin/tandem && -f $stamp && $(head -n 1 "$stamp") == "$hash" ]]; then
    for want in "$@"; do grep -qxe "$want" "$stamp" || missing+=("$want"); done
    ((${#missing[@]})) || return 0
  else
    missing=(--base)
  fi
  find_python
  check_space
  printf 'Setting up %s with Python %s. Downloads come first, this once.\n' "$root/.venv" "$version" >&2
  find_uv
  # A new lock means that what was noted before has to be synced again; what others installed stays (--inexact).
  sync_with_uv "$@"
  if [[ ${missing[0]} == --base ]]; then printf '%s\n' "$hash" "$@" >"$stamp"; else printf '%s\n' "${missing[@]}" >>"$stamp"; fi
}

find_python() {
  local candidate found=''
  for candidate in "$root/.venv/bin/python" python3.13 python3.12 python3.11 python3.14 python3 python; do
    version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      python=$("$candidate" -c 'import sys; print(sys.executable)')
      return
    fi
    found=${found:-$version}
  done
  die "Tandem needs Python 3.11 or newer; this machine has ${found:-none}."
}

check_space() {
  local free_mb
  free_mb=$(df -Pk "$root" | awk 'NR == 2 { print int($4 / 1024) }')
  [[ -x $root/.venv/bin/tandem ]] || ((free_mb >= needed_mb)) ||
    die "the disk is full: setting up needs $needed_mb MB in $root, $free_mb MB are free."
}

find_uv() {
  local have
  if have=$(uv --version 2>/dev/null) && [[ $(printf '%s\n' "$uv_oldest" "${have:3}" | sort -V | head -n 1) == "$uv_oldest" ]]; then
    uv=uv
    return
  fi
  local tools="$root/.venv-tools" log
  uv=$tools/bin/uv
  [[ $("$uv" --version 2>/dev/null) == "uv $uv_version"* ]] && return
  log=$(mktemp)
  if ! "$python" -m venv --clear "$tools" >"$log" 2>&1; then
    grep -q ensurepip "$log" && die "Python $version has no venv module: install it (Debian: apt-get install python3-venv)."
    explain "$log"
  fi
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" >"$log" 2>&1 || explain "$log"
  rm -f "$log"
}

sync_with_uv() {
  local arguments=(sync --project "$root" --locked --inexact --python "$python" "$@") log
  log=$(mktemp)
  # On a terminal uv draws its own progress; only a second, quiet try tells us what went wrong.
  if [[ -t 2 ]] && "$uv" "${arguments[@]}"; then rm -f "$log"; return; fi
  "$uv" "${arguments[@]}" >"$log" 2>&1 || explain "$log"
  rm -f "$log"
}

# One line for what people meet; the whole log for what they rarely do.
explain() {
  local log=$1
  if grep -qiE 'no space left|disk quota' "$log"; then
    die "the disk is full: free some space and start again (a partial .venv is completed)."
  elif grep -qiE 'dns error|resolve|connection (refused|reset|aborted)|unreachable|timed? ?out|error sending request|tcp connect|No matching distribution|newConnectionError' "$log"; then
    die "the package index cannot be reached: setting up needs the network once (a proxy goes into HTTPS_PROXY, a mirror into UV_DEFAULT_INDEX)."
  elif grep -qiE 'permission denied|read-only file system' "$log"; then
    die "cannot write to $root: check who owns it."
  fi
  cat "$log" >&2
  die "setting up failed; the lines above say why."
}
