"""One look at one process's metrics, and what happened between two of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from tandem.domain.errors import UpstreamFailed

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scrape:
    """`at_s` is when, on a monotonic clock; `values` by the sample's name and labels."""

    at_s: float
    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def sum(self, name: str, **labels: str) -> float:
        """All samples of that name that have these labels together; 0 without any."""
        wanted = labels.items()
        return sum(value for found, value in self.values.get(name, {}).items() if wanted <= found)

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The same for each value of `label`."""
        sums: defaultdict[str, float] = defaultdict(float)
        wanted = labels.items()
        for found, value in self.values.get(name, {}).items():
            if wanted <= found:
                sums[dict(found).get(label, "")] += value
        return dict(sums)

    def has(self, name: str) -> bool:
        """True when there is such a sample."""
        return name in self.values

    def since(self, before: "Scrape") -> "Scrape":
        """What each sample grew by: counters and histograms; one that fell was started anew, and counts from 0."""
        grown = {
            name: {
                labels: value if value < (old := before.values.get(name, {}).get(labels, 0.0)) else value - old
                for labels, value in samples.items()
            }
            for name, samples in self.values.items()
        }
        return Scrape(self.at_s - before.at_s, grown)


def read(text: str, at_s: float) -> Scrape:
    """Prometheus' text format. Raises `UpstreamFailed` for anything else."""
    values: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                values[sample.name][frozenset(sample.labels.items())] = sample.value
    except (ValueError, IndexError, KeyError) as error:
        raise UpstreamFailed("These are no metrics.", hint="Is it a Tandem that answers there?") from error
    return Scrape(at_s, dict(values))


def together(scrapes: list[Scrape]) -> Scrape:
    """Sums over processes; what grew grew in the longest of their times."""
    values: defaultdict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
    for scrape in scrapes:
        for name, samples in scrape.values.items():
            for labels, value in samples.items():
                values[name][labels] += value
    return Scrape(max((scrape.at_s for scrape in scrapes), default=0.0), values)


def quantile(share: float, scrape: Scrape, name: str, **labels: str) -> float | None:
    """Of a histogram, as Prometheus' `histogram_quantile` takes it: linear within a bucket; None when nothing was observed."""
    buckets = sorted(_buckets(scrape, name, labels))
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank, below, start = share * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return start
            return start + (bound - start) * (rank - below) / (count - below) if count > below else bound
        below, start = count, bound
    return start


def _buckets(scrape: Scrape, name: str, labels: Mapping[str, str]) -> Iterator[tuple[float, float]]:
    for bound, count in scrape.by(f"{name}_bucket", "le", **labels).items():
        yield float(bound), count
