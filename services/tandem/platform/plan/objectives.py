"""Whether the objectives are held, and why not."""

from tandem.platform.plan.figures import Figures
from tandem.platform.plan.traffic import Traffic

RESIDENCY = "residency"


def why_missed(traffic: Traffic, figures: Figures, *regions: str) -> str | None:
    """None where they are held. Residency first: what may not be done is no matter of size."""
    slo = traffic.slo
    stranded = 1 - sum(
        share for tenant, share in traffic.shares() if tenant.regions is None or not tenant.regions.isdisjoint(regions)
    )
    if stranded > 1e-9:
        return f"{RESIDENCY}: {stranded:.0%} of the requests may not be answered in {' or '.join(sorted(set(regions)))}"
    if figures.refused_share > slo.refused_share:
        return f"{figures.refused_share:.1%} of the requests get no answer, {slo.refused_share:.1%} may"
    if figures.first_p99_s > slo.first_token_p99_s:
        return f"p99 of first tokens is {figures.first_p99_s:.2f} s, {slo.first_token_p99_s:g} s are allowed"
    if slo.answer_p99_s is not None and figures.whole_p99_s > slo.answer_p99_s:
        return f"p99 of whole answers is {figures.whole_p99_s:.1f} s, {slo.answer_p99_s:g} s are allowed"
    return None
