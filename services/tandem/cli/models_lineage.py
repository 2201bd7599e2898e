"""`tandem models lineage`: from an answer, or a model, back to the data that it was trained on."""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption, cluster_of
from tandem.cli.console import Output, OutputOption, err, print_facts, print_json, run
from tandem.cli.lineage_shown import when
from tandem.cli.models import body, resolved
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.cli.receipts import TenantOption
from tandem.domain.errors import InvalidRequest, TandemError
from tandem.domain.model_version import UNTOLD, Ancestry

if TYPE_CHECKING:
    from tandem.app.settings import Settings
    from tandem.http.wire.receipts import WireReceipt
    from tandem.platform.models.kept import Deployed

_RECEIPT = "rcpt-"
_DATASET = "dataset.json"


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of the way back; None and empty: nobody told."""

    model: str
    version: str
    source: str
    ancestry: Ancestry
    told_by: str
    gate: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    dataset: dict[str, Any] | None = None


def lineage(
    what: Annotated[
        str, typer.Argument(metavar="ANSWER|MODEL", help="A receipt (rcpt-…), or a model of the configuration.")
    ],
    release: Annotated[
        str | None,
        typer.Option("--release", "-r", help="Look at what this Helm release has deployed, too.", show_default=False),
    ] = None,
    tenant: TenantOption = "default",
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Tell what an answer's model was made from: its version, its gate, the training run, the data set and its receipts.

    Exit code 1 when the way breaks off before a data set.
    """
    from tandem.app.settings import load_settings

    settings = load_settings(config, data_dir=data_dir)
    receipt = _receipt(what, config, data_dir, url, api_key, tenant) if what.startswith(_RECEIPT) else None
    with ExitStack() as stack:
        deployed = None
        if release is not None:
            from tandem.platform.models.kept import kept_of
            from tandem.platform.models.lineage import of_answer
            from tandem.platform.models.services import find

            cluster = stack.enter_context(cluster_of("tandem models", kubeconfig, context, namespace))
            kept = kept_of(find(cluster, release).serving)
            if receipt is not None:
                deployed = of_answer(kept, receipt.model.revision if receipt.model else None, receipt.began_at)
            else:
                deployed = next((each for each in reversed(kept.entries) if each.model == what), None)
    found = _with_dataset(_trace(settings, what, receipt, deployed))
    if output is Output.json:
        print_json(asdict(found))
    else:
        _print(found)
    if not found.ancestry.dataset:
        err.print("The data set is not told: set models.NAME.dataset, or name it in the model's card.", markup=False)
        raise typer.Exit(1)


def _receipt(
    what: str, config: Path | None, data_dir: Path | None, url: str | None, api_key: str | None, tenant: str
) -> "WireReceipt":
    from tandem.cli.receipt_source import receipt_source

    async def work() -> "WireReceipt":
        async with receipt_source(config, data_dir, url, api_key, tenant) as source:
            return await source.receipt(what)

    found = run(work())
    if found.model is None:
        raise InvalidRequest(f"No model took part in {what}.", hint=f"tandem receipts show {what} tells why.")
    return found


def _trace(settings: "Settings", what: str, receipt: "WireReceipt | None", deployed: "Deployed | None") -> Trace:
    own = _receipts_own(receipt)
    if deployed is not None and deployed.model:
        return Trace(
            deployed.model, deployed.version, deployed.source, own.over(deployed.ancestry),
            "the receipt" if own != UNTOLD else "the cluster",
            None if deployed.gate is None else asdict(deployed.gate), None if receipt is None else _answer(receipt),
        )  # fmt: skip
    if receipt is None:
        version = resolved(settings, what, None)
        told = body(version)
        return Trace(version.name, str(told["version"]), version.source, version.ancestry, "its source")
    if own != UNTOLD:
        model = receipt.model
        assert model is not None  # noqa: S101 - `_receipt` has looked
        return Trace(model.id, model.revision or "", "", own, "the receipt", answer=_answer(receipt))
    return _by_configuration(settings, receipt)


def _receipts_own(receipt: "WireReceipt | None") -> Ancestry:
    """What was written down when it answered: nothing that happened since can have changed it."""
    model = None if receipt is None else receipt.model
    return UNTOLD if model is None else Ancestry(model.dataset, model.training_run, model.base_model)


def _by_configuration(settings: "Settings", receipt: "WireReceipt") -> Trace:
    """The registered model that comes from the repository which the engine names, at the revision that it tells."""
    model = receipt.model
    assert model is not None  # noqa: S101 - `_receipt` has looked
    revision, answer = model.revision or "", _answer(receipt)
    for name, told in settings.models.items():
        if told.source.removeprefix("hf://").partition("@")[0] != model.id:
            continue
        try:
            version = resolved(settings, name, revision or None)
        except TandemError as error:
            err.print(f"{name} cannot be asked: {error.message}", style="yellow", markup=False)
            return Trace(name, revision, told.source, told.ancestry, "the configuration", answer=answer)
        return Trace(name, version.version, version.source, version.ancestry, "its source", answer=answer)
    return Trace(model.id, revision, "", UNTOLD, "the receipt alone", answer=answer)


def _answer(receipt: "WireReceipt") -> dict[str, Any]:
    model = receipt.model
    return {
        "receipt": receipt.id,
        "began_at": receipt.began_at,
        "release": receipt.release,
        "collection": receipt.retrieval.collection or receipt.retrieval.asked,
        "prompt": receipt.prompt.template if receipt.prompt else None,
        "model": model.id if model else None,
        "revision": model.revision if model else None,
        "engine": model.engine if model else None,
    }


def _with_dataset(found: Trace) -> Trace:
    """With what `tandem feedback export` wrote beside the data, where the data set is a folder of this machine."""
    file = Path(found.ancestry.dataset or "") / _DATASET
    try:
        told = json.loads(file.read_bytes()) if found.ancestry.dataset else None
    except (OSError, ValueError):
        told = None
    if not isinstance(told, dict):
        return found
    receipts = told.get("receipts") or []
    kept = {key: told.get(key) for key in ("dataset", "digest", "made_by", "tenant", "collections", "prompts")}
    return replace(found, dataset={**kept, "receipts": receipts})


def _print(found: Trace) -> None:
    answer, ancestry, dataset = found.answer or {}, found.ancestry, found.dataset or {}
    gate = found.gate or {}
    facts = {
        "answer": answer.get("receipt"),
        "began": when(answer.get("began_at")),
        "collection": answer.get("collection"),
        "prompt": answer.get("prompt"),
        "engine": answer.get("engine"),
        "model": f"{found.model}@{found.version}" if found.version else found.model,
        "source": f"{found.source} (told by {found.told_by})" if found.source else f"told by {found.told_by}",
        "gate": gate
        and f"{gate['metric']} {gate['measure']}" + (f", forced: {gate['forced']}" if gate["forced"] else ""),
        "base model": ancestry.base_model,
        "made by": ancestry.training_run,
        "data set": ancestry.dataset,
        "digest": dataset.get("digest"),
        "receipts": len(dataset["receipts"]) if dataset else None,
    }
    print_facts(facts)
