"""The API server itself: its version, its clock, and the DNS that every pod asks."""

import re
from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding

# As the chart's kubeVersion has it.
_OLDEST = (1, 30)
_SKEW_S = 30.0


def server(facts: Facts) -> Iterator[Finding]:
    """What no release can do anything about."""
    around = facts.around
    found = re.match(r"v?(\d+)\.(\d+)", around.version)
    if found and (int(found[1]), int(found[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        yield Finding(
            "server-old",
            "cluster",
            f"Kubernetes {around.version} is older than {oldest}, which the chart asks for",
            f"upgrade the cluster to {oldest} or newer",
        )
    if abs(around.ahead_s) > _SKEW_S:
        how = "ahead of" if around.ahead_s > 0 else "behind"
        yield Finding(
            "clock",
            "cluster",
            f"the API server's clock is {abs(around.ahead_s):.0f} s {how} this machine's: tokens may count as expired or not yet valid",
            "set both by NTP (timedatectl; chronyc tracking on the control plane)",
        )
    if around.dns == 0:
        yield Finding(
            "dns-down",
            "service/kube-dns",
            "no pod of the cluster's DNS is ready: no pod finds another by name",
            "kubectl -n kube-system get pods -l k8s-app=kube-dns, and see why they are not ready",
        )
