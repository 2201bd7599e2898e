"""PromQL as our panels ask it: of the chosen namespaces, over the interval that the graph resolves."""

from dashboards.panels import Query

NAMESPACE = 'namespace=~"$namespace"'
INTERVAL = "[$__rate_interval]"
# Processes that clients talk to: what these ask of a retriever is counted there once more.
FRONTS = f'max by (namespace, pod) (tandem_build_info{{{NAMESPACE}, target=~"gateway|all"}})'


def of(metric: str, where: str = "") -> str:
    """The metric's series, in the chosen namespaces."""
    return f"{metric}{{{', '.join(filter(None, (NAMESPACE, where)))}}}"


def summed(metric: str, *by: str, where: str = "", how: str = "sum") -> str:
    """A gauge over pods."""
    return f"{_over(how, by)}({of(metric, where)})"


def rate(metric: str, *by: str, where: str = "", fronts: bool = False) -> str:
    """A counter per second; `fronts`: of gateways only."""
    return _over("sum", by) + f"(rate({of(metric, where)}{INTERVAL}){_joined(fronts)})"


def grown(metric: str, *by: str, where: str = "") -> str:
    """By how much a counter grew, for what is rare."""
    return _over("sum", by) + f"(increase({of(metric, where)}{INTERVAL}))"


def quantile(share: float, metric: str, *by: str, where: str = "", fronts: bool = False) -> str:
    """Of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', *by, 'le', where=where, fronts=fronts)})"


def quantiles(metric: str, where: str = "") -> tuple[Query, ...]:
    """Median and the two that objectives are made of."""
    return tuple(Query(quantile(share, metric, where=where), f"p{share * 100:g}", True) for share in (0.5, 0.95, 0.99))


def mean(metric: str, *by: str, where: str = "") -> str:
    """Of a histogram's observations."""
    return f"{rate(f'{metric}_sum', *by, where=where)} / {rate(f'{metric}_count', *by, where=where)}"


def _over(how: str, by: tuple[str, ...]) -> str:
    return f"{how} by ({', '.join(by)}) " if by else how


def _joined(fronts: bool) -> str:
    return f" * on (namespace, pod) group_left () {FRONTS}" if fronts else ""
