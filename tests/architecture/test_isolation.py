"""No way to the store that says nothing of who looks: each call names tenant and groups, each condition is built in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

SERVICES = Path(__file__).parents[2] / "services" / "tandem"
# Of the `Vectors` port: what reads takes the caller's groups by name, or a viewer, which the types see to.
READS = {"record", "document", "documents", "collections", "chunks", "delete_document"}
ENGINE_READS = {"scroll", "values", "count", "query", "retrieve", "embedded"}
# What reads the engine and shows nobody what it read.
INTERNAL = {
    "tenants": "names of tenants, for the build of a version",
    "counts": "how much a version holds, for an admin's list of them",
    "drop_collection": "is anything left?",
    "replace_document": "did the document leave chunks behind?",
    "embedded": "vectors of a document whose record was looked at before",
    "note_failure": "how often did it fail?",
    "forget_failure": "is there one?",
    "positions": "how far is the stream?",
    "all_positions": "how far are the streams? for the build of a version",
}
# Conditions that hold for a viewer, and what checks points that were fetched by their ids.
SEEN = {"seen_by", "seen_first_chunks", "seen_of_document", "shown", "ranked", "sees", "failures_of"}


def functions(path: Path) -> Iterator[ast.AsyncFunctionDef | ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            yield node


def calls(node: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call with the name that is called, and of what."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            if isinstance(each.func, ast.Attribute):
                yield each, each.func.attr, ast.unparse(each.func.value)
            elif isinstance(each.func, ast.Name):
                yield each, each.func.id, ""


def test_the_core_names_the_groups_in_every_call_that_reads() -> None:
    asked = 0
    for path in sorted((SERVICES / "pipeline").rglob("*.py")):
        for call, name, of in calls(ast.parse(path.read_text())):
            reads = name in READS and of.endswith("vectors")
            if reads or name == "VectorQuery":
                asked += 1
                given = {word.arg for word in call.keywords}
                assert "groups" in given, f"{path.name}:{call.lineno} asks the store without saying who looks"
    assert asked >= 5


def test_the_store_reads_by_conditions_that_hold_for_a_viewer() -> None:
    read = 0
    for path in sorted((SERVICES / "adapters" / "qdrant").glob("*.py")):
        for function in functions(path):
            named = list(calls(function))
            if not any(of == "self._engine" and name in ENGINE_READS for _, name, of in named):
                continue
            if function.name in INTERNAL:
                continue
            read += 1
            used = {name for _, name, _ in named} | {
                each.id for each in ast.walk(function) if isinstance(each, ast.Name)
            }
            assert used & SEEN, f"{path.name}:{function.lineno} {function.name} reads whatever is there"
    assert read >= 8


def test_who_sees_what_is_said_in_one_place() -> None:
    for path in sorted((SERVICES / "adapters" / "qdrant").glob("*.py")):
        for call, name, _ in calls(ast.parse(path.read_text())):
            assert name != "OpenTo" or path.name == "conditions.py", f"{path.name}:{call.lineno}"


def test_nobody_may_name_the_access_list_in_a_filter() -> None:
    from tandem.adapters.qdrant.payload import ACL, TENANT
    from tandem.domain.filters import FILTER_FIELDS

    assert not {ACL, TENANT, "groups"} & set(FILTER_FIELDS)


def test_what_concerns_a_whole_collection_takes_an_admin() -> None:
    """Of the routes below a collection, only those that read or that note one document are anybody's."""
    anybody = {
        "listing",
        "show",
        "settle",
        "failures",
        "note",
        "forget",
        "marks",
        "positions",
        "place",
        "note_place",
        "offset",
    }
    for path in (SERVICES / "http" / "routers" / "collections.py", SERVICES / "http" / "routers" / "versions.py"):
        for function in functions(path):
            for decorator in function.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).startswith("router."):
                    guarded = any(word.arg == "dependencies" for word in decorator.keywords)
                    route = ast.literal_eval(decorator.args[0])
                    assert guarded or function.name in anybody, f"{path.name}: {function.name} {route}"
