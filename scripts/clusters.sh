# shellcheck shell=bash
# Sourced by scripts/e2e: a cluster of its own named tandem-e2e, with what manifests/platform pins of what the tests need.
name=tandem-e2e
KUBECONFIG=$(mktemp)
export KUBECONFIG TANDEM_E2E_PROMETHEUS=http://prometheus-operated.monitoring.svc.cluster.local:9090

make_cluster() {   # kind | k3d
  trap 'unmake_cluster '"$1" EXIT
  # shellcheck disable=SC2089,SC2090  # the tests take the quotes apart
  case $1 in
    kind)
      kind create cluster --name $name --config manifests/kind/cluster.yaml --wait 3m
      # The command's own last word, stop or start, is what sh calls $0.
      TANDEM_E2E_API_SERVER="sh -c 'docker exec $name-control-plane pkill -\$([ \$0 = stop ] && echo STOP || echo CONT) kube-apiserver'"
      export TANDEM_E2E_API_SERVER ;;
    k3d)
      k3d cluster create $name --config manifests/k3d/cluster.yaml --kubeconfig-update-default=false --wait
      k3d kubeconfig get $name >"$KUBECONFIG" ;;
  esac
  helm repo add --force-update kedacore https://kedacore.github.io/charts
  # The page's own lines, so that they are tested as well: each block of shell that installs one of these.
  awk '/^```sh$/ { block = ""; inside = 1; next }
       /^```$/ { if (inside && block ~ /--install (cert-manager|kserve-crd|monitoring|keda) /) printf "%s", block; inside = 0 }
       inside { block = block $0 "\n" }' manifests/platform/README.md | bash -euo pipefail
}

unmake_cluster() {
  [[ -z ${TANDEM_E2E_KEEP:-} ]] || { echo "kept: export KUBECONFIG=$KUBECONFIG"; return; }
  case $1 in kind) kind delete cluster --name $name ;; k3d) k3d cluster delete $name ;; esac
  rm -f "$KUBECONFIG"
}
