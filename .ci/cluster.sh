# shellcheck shell=bash
# Sourced by run: a real Kubernetes out of ../shared/cluster, where there is one and no other was named, and our images in it.
cluster=$(realpath -q ../shared/cluster/cluster) || cluster=''
name=ghcr.io/tandem-rag/tandem-ci postgres=localhost/tandem-postgres:ci

# start_cluster FOLDER: exports what the end-to-end tests and those of the image read; archives and logs lie in FOLDER.
start_cluster() {
  [[ -x $cluster && -z ${TANDEM_E2E_PROVIDER:-} ]] || { cluster=''; return 0; }
  echo 'Starting a cluster for the end-to-end tests …'
  # Now and then kubectl looks at a kind before the API server can tell of its state: what is up already stays up.
  if ! { { "$cluster" up >"$1/env" || "$cluster" up >"$1/env"; } && load_image plain plain "$1" && load_image small small "$1" && load_image platform plain "$1" -- --build-arg EXTRA=platform && .ci/postgres-image "$cluster" "$postgres" "$1" >&2; } 2>"$1/log"; then tail -n 20 "$1/log"; return 1; fi
  # shellcheck source=/dev/null
  source "$1/env"
  export TANDEM_E2E_PROVIDER=existing TANDEM_E2E_LOAD="$cluster load" TANDEM_E2E_API_SERVER=.ci/api-server
  export TANDEM_E2E_IMAGE=$name:plain TANDEM_E2E_SMALL_IMAGE=$name:small TANDEM_E2E_PLATFORM_IMAGE=$name:platform
  TANDEM_E2E_BASE=$("$cluster" base)
  export TANDEM_E2E_BASE TANDEM_E2E_POSTGRES_IMAGE=$postgres TANDEM_TEST_IMAGES=$1/plain.tar:$1/small.tar:$1/platform.tar
}

# load_image TAG VARIANT FOLDER [OPTION…]. No release has such a tag: a kubelet cannot take another image for it.
load_image() {
  .ci/image --variant "$2" --tag "$name:$1" --output "$3/$1.tar" "${@:4}" && "$cluster" load "$3/$1.tar"
} >&2

stop_cluster() {
  [[ -z $cluster ]] || "$cluster" down
  cluster=''
}
