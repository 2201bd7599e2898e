"""What gateways are told of a predictor's models, so that receipts tell what each was made from: a ConfigMap of the chart."""

from tandem.adapters.models.lineage import DEPLOYED, INSTALLED, deployed_text, installed_in
from tandem.domain.model_lineage import Deployed
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.kept import candidate_version, kept_of
from tandem.platform.models.services import Found
from tandem.platform.objects import at, name_of


def tell(cluster: Cluster, found: Found) -> str:
    """Write what is deployed there now; why it could not be, empty: it was."""
    name = f"{name_of(found.serving)}-models"
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/{name}"
    try:
        installed = installed_in(str(at(cluster.read(path), "data", INSTALLED, default="{}")))
        told = deployed_text(deployed(found, installed.model))
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {DEPLOYED: told}}
        cluster.apply(path, body, force=True)
    except Refused as refused:
        if refused.status == 404:
            return f"the release has no ConfigMap {name}, which newer charts make"
        return refused.message
    except ValueError:
        return f"the ConfigMap {name} is not as the chart makes it"
    return ""


def deployed(found: Found, installed: str) -> Deployed:
    """Those that are remembered, and the candidate."""
    kept = kept_of(found.serving)
    beside = [] if found.candidate is None else [candidate_version(found.candidate)]
    serving = kept.numbered(kept.current)
    ancestries = {each.version: each.ancestry for each in (*kept.entries, *beside) if each.version}
    candidate = beside[0].version if beside else ""
    return Deployed(installed, serving.version if serving is not None else "", ancestries, candidate)
