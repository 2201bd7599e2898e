import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "services" / "tandem"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 500

Finder = Callable[[ast.AST], bool]


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def places(wanted: Finder, *, allowed: set[str]) -> list[str]:
    return [
        f"{name(path)}:{getattr(node, 'lineno', 0)}"
        for path in FILES
        if name(path) not in allowed
        for node in nodes(path)
        if wanted(node)
    ]


def called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 50


def test_a_file_has_one_idea_and_a_bounded_length() -> None:
    everything = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in everything}
    assert {file: lines for file, lines in lengths.items() if lines > MAX_LINES} == {}


def test_a_module_says_in_its_first_line_what_it_is_for() -> None:
    trees = {name(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
    assert [file for file, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_file_is_named_after_nothing() -> None:
    hollow = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [name(path) for path in FILES if hollow & set(name(path)[:-3].split("/"))] == []


def test_only_the_settings_read_the_environment() -> None:
    def reads(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}

    # A worker process gets an environment of its own; that is writing one, not reading configuration from it. What the
    # doctor runs in a pod is no Tandem.
    allowed = {"app/settings.py", "adapters/sources/worker.py", "adapters/sources/reader.py", "platform/inside.py"}
    assert places(reads, allowed=allowed) == []


def test_only_the_composition_root_asks_whether_a_peer_is_remote() -> None:
    def asks(node: ast.AST) -> bool:
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
            return False
        text = ast.unparse(node)
        return bool(re.search(r"\b(retriever|vectors|predictor|reranker)\.url\b|\btarget\s*[!=]=\s*'", text))

    # targets.py refuses a gateway without peers; entry.py and session.py look at a flag, not at a way to run.
    allowed = {"app/parts.py", "app/kept.py", "app/targets.py", "app/surface.py", "app/entry.py", "cli/session.py"}
    assert places(asks, allowed=allowed) == []


def test_every_metric_is_named_in_one_file() -> None:
    def names(node: ast.AST) -> bool:
        return called(node).rpartition(".")[2] in {"Counter", "Gauge", "Histogram", "Summary", "Info"} and bool(
            node.args and isinstance(node.args[0], ast.Constant)  # type: ignore[attr-defined]
        )

    others = places(names, allowed={"observe/metrics.py"})
    # The predictor speaks TGI's metrics, which have TGI's names.
    assert [place for place in others if not place.startswith(("http/predictor/", "http/tgi/", "observe/tgi"))] == []


def test_broad_excepts_stay_at_the_edge() -> None:
    def broad(node: ast.AST) -> bool:
        return isinstance(node, ast.ExceptHandler) and (
            node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )

    inside = ("domain/", "ports/", "admission/", "retrieval/", "prompting/", "generation/", "ingestion/", "pipeline/")
    assert [place for place in places(broad, allowed=set()) if place.startswith(inside)] == []


def test_nothing_is_left_for_later() -> None:
    # Written so that this line is none of them.
    marks = re.compile(r"\b(T[O]DO|FIX[M]E|X{3}|H[A]CK)\b")
    assert all(marks.search(f"# {word}: later") for word in ("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
    assert [name(path) for path in FILES if marks.search(path.read_text(encoding="utf-8"))] == []
