# shellcheck shell=bash
# Sourced by scripts/image: what docker, buildah and podman do each in its own way.
# shellcheck disable=SC2034  # used by who sources this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'error: %s See scripts/image --help.\n' "$*" >&2; exit 2; }

find_builder() {
  for builder in docker buildah podman; do "$builder" info >/dev/null 2>&1 && return; done
  die 'to build an image, docker (and its daemon), buildah or podman must work here (Debian: apt-get install buildah).'
}

build() {
  [[ $builder == docker ]] || {
    # Docker's format has health checks, which OCI's lacks; chroot isolation needs no runtime, and works in a container.
    set -- --format docker --layers --force-rm "$@"
    export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
  }
  "$builder" build "$@"
}

# archive REF FILE
archive() {
  rm -f "$2"
  if [[ $builder == docker ]]; then docker save -o "$2" "$1"; else "$builder" push -q "$1" "oci-archive:$2:$1"; fi
}

# publish REF: NAME@DIGEST goes to stdout, everything else to stderr.
publish() {
  local digest
  if [[ $builder == docker ]]; then
    docker push "$1" >&2
    digest=$(docker image inspect -f '{{index .RepoDigests 0}}' "$1")
  else
    digest=$(mktemp)
    "$builder" push --digestfile "$digest" "$1" >&2
    digest=@$(cat "$digest")
  fi
  # A colon before the last slash belongs to a port.
  [[ ${1##*/} != *:* ]] || set -- "${1%:*}"
  printf '%s@%s\n' "$1" "${digest#*@}"
}
