"""Receipts as a person reads them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tandem.cli.console import out, print_facts, print_table
from tandem.cli.lineage_shown import when

if TYPE_CHECKING:
    from tandem.cli.receipt_diff import Piece, ReceiptDiff
    from tandem.http.wire.feedback import WireFeedback
    from tandem.http.wire.receipts import WireReceipt, WireReceiptLine

_QUESTION_CHARS = 60
_WIDE = 200
_NOT_SHOWN = {
    "withheld": "Its texts are withheld: they are for who asked, and for admins of its groups.",
    "not_kept": "Its texts were not kept: its tenant does not capture content.",
}
_STYLES = {"same": "", "gone": "red strike", "new": "green"}
_SIGNS = {"gone": ("[-", "-]"), "new": ("{+", "+}")}


def print_receipts(lines: "Sequence[WireReceiptLine]") -> None:
    """A line each; ids stay whole, so that they can be copied."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, whole in (("id", True), ("began", True), ("outcome", True), ("caller", False), ("model", False)):
        table.add_column(name.upper(), no_wrap=whole, overflow="fold")
    table.add_column("SECONDS", justify="right", no_wrap=True)
    table.add_column("QUESTION", overflow="fold")
    for line in lines:
        asked = _short(line.question) if line.question else f"({line.texts})"
        cells = (
            line.id,
            when(line.began_at),
            line.outcome,
            line.caller or "",
            line.model or "",
            f"{line.duration_s:.2f}",
        )
        table.add_row(*map(escape, (*cells, asked)))
    # What goes on through a pipe is not cut to a width that nobody has.
    (out if out.is_terminal else Console(width=_WIDE, highlight=False)).print(table)


def print_receipt(receipt: "WireReceipt") -> None:
    """Everything but the prompt's messages, which are long."""
    model, found, usage, timing = receipt.model, receipt.retrieval, receipt.usage, receipt.timing
    failed = receipt.error
    asker = [receipt.asker.tenant, receipt.asker.caller, receipt.asker.user]
    facts = {
        "receipt": receipt.id,
        "began": when(receipt.began_at),
        "outcome": receipt.outcome + (f" (degraded: {', '.join(receipt.degraded)})" if receipt.degraded else ""),
        "asked by": " · ".join(filter(None, asker)),
        "release": receipt.release,
        "collection": found.collection or found.asked,
        "found with": " · ".join(filter(None, (found.embedder, found.sparse, found.reranker))),
        "prompt": f"{receipt.prompt.template}, {receipt.prompt.chars} characters" if receipt.prompt else "",
        "model": " · ".join(filter(None, (model.id, model.revision, model.engine))) if model else "",
        "made from": " · ".join(filter(None, (model.dataset, model.training_run, model.base_model))) if model else "",
        "sent to": f"{model.pool} in {model.region} ({model.reason})" if model else "",
        "allowed": ", ".join(model.allowed_regions) if model and model.allowed_regions is not None else "",
        "tokens": f"{usage.prompt_tokens} + {usage.completion_tokens}, cost {usage.cost:g}",
        "seconds": f"{timing.duration_s:.3f}" + ("" if timing.first_token_s is None else f", first token {timing.first_token_s:.3f}"),
        "trace": receipt.trace.trace_id if receipt.trace else "",
        "scores": ", ".join(f"{name} {value:.2f}" for name, value in receipt.scores.items()),
        "redacted": ", ".join(f"{count} {kind}" for kind, count in receipt.redacted.items()),
        "feedback": "; ".join(map(_opinion, receipt.feedback)),
        "error": f"{failed.code} in {failed.stage or 'request'}: {failed.message}" if failed else "",
    }  # fmt: skip
    print_facts(facts)
    _print_texts(receipt)
    _print_passages(receipt)
    out.print()
    print_table(("step", "began s", "took s"), [(each.name, each.began_s, each.took_s) for each in timing.stages])


def _opinion(said: "WireFeedback") -> str:
    by = "/".join(filter(None, (said.caller, said.user)))
    words = [*said.labels, said.comment, said.corrected_answer and f"right: {said.corrected_answer}"]
    return " ".join([f"{said.rating:+g} by {by}", *filter(None, words)])


def print_diff(diff: "ReceiptDiff") -> None:
    """What changed; facts that are the same in both are named in one line."""
    out.print(f"{diff.before} → {diff.after}", markup=False)
    _print_pieces("question", diff.question)
    changed = [each for each in (*diff.versions, diff.outcome) if not each.same]
    same = [each.name for each in (*diff.versions, diff.outcome) if each.same and each.before is not None]
    out.print()
    if changed:
        print_table(("version", "before", "after"), [(each.name, each.before, each.after) for each in changed])
    out.print(f"[dim]the same: {', '.join(same)}[/]" if same else "[dim]nothing is the same[/]")
    out.print()
    if diff.passages is None:
        out.print("Which passages they were is withheld.")
    else:
        print_table(
            ("passage", "", "rank", "then", "relevance", "then"),
            [
                (
                    each.chunk_id, "text changed" if each.text_changed else each.change, each.rank_before, each.rank_after,
                    each.scores_before.get("relevance"), each.scores_after.get("relevance"),
                )
                for each in diff.passages
            ],
        )  # fmt: skip
    if diff.passages and any(each.change != "kept" for each in diff.passages):
        out.print()
        out.print("[dim]prompt: other passages stand in it; -o json has both by words[/]")
    else:
        _print_pieces("prompt", diff.prompt, only_changes=True)
    _print_pieces("answer", diff.answer)
    out.print()
    print_table(("figure", "before", "after"), [(each.name, each.before, each.after) for each in diff.figures])


def _print_texts(receipt: "WireReceipt") -> None:
    out.print()
    if receipt.texts != "shown":
        out.print(_NOT_SHOWN[receipt.texts])
        return
    for turn in receipt.question.conversation:
        out.print(f"{turn.role}: {turn.content}", markup=False, style="dim")
    out.print(receipt.question.text or "", markup=False, style="bold")
    others = [each for each in receipt.question.queries if each != receipt.question.text]
    if others:
        out.print(f"searched for: {' | '.join(others)}", markup=False, style="dim")
    out.print()
    out.print(receipt.answer.text or "(no text)", markup=False)


def _print_passages(receipt: "WireReceipt") -> None:
    cited = {each.chunk_id: each.number for each in receipt.answer.citations}
    out.print()
    print_table(
        ("#", "passage", "cited", "dense", "sparse", "fused", "rerank", "relevance"),
        [
            (
                rank, each.chunk_id or "(withheld)", f"[{cited[each.chunk_id]}]" if each.chunk_id in cited else "",
                each.scores.dense, each.scores.sparse, each.scores.fused, each.scores.rerank, each.scores.relevance,
            )
            for rank, each in enumerate(receipt.retrieval.passages, 1)
        ],
    )  # fmt: skip


def _print_pieces(name: str, compared: "Sequence[Piece] | None", *, only_changes: bool = False) -> None:
    out.print()
    if compared is None:
        out.print(f"[dim]{name}: not shown[/]")
        return
    if all(sign == "same" for sign, _ in compared):
        out.print(f"[dim]{name}: the same[/]")
        if only_changes:
            return
    else:
        out.print(f"[dim]{name}:[/]")
    line = Text()
    for sign, text in compared:
        if sign == "same":
            line.append(_middle(text) if only_changes else text)
        else:
            before, after = _SIGNS[sign]
            line.append(f"{before}{text}{after}", _STYLES[sign])
    out.print(line)


def _middle(text: str) -> str:
    """Of what did not change in a long text: where the changes stand."""
    lines = text.splitlines(keepends=True)
    return text if len(lines) <= 4 else "".join([*lines[:2], "  …\n", *lines[-2:]])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUESTION_CHARS else line[: _QUESTION_CHARS - 1] + "…"
