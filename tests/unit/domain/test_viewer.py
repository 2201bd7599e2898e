"""Who sees what, by names alone."""

import pytest

from tandem.domain.context import RequestContext
from tandem.domain.groups import group_fault, groups_fault, in_order
from tandem.domain.viewer import Viewer, overseer


@pytest.mark.parametrize(
    ("groups", "acl", "sees"),
    [
        ((), (), True),
        (("hr",), (), True),
        ((), ("hr",), False),
        (("hr",), ("hr",), True),
        (("eng", "hr"), ("board", "hr"), True),
        (("eng",), ("hr",), False),
        (("HR",), ("hr",), False),
        (("hr ",), ("hr",), False),
        (("*",), ("hr",), True),
    ],
)
def test_a_shared_group_opens_a_document(groups: tuple[str, ...], acl: tuple[str, ...], *, sees: bool) -> None:
    assert Viewer("acme", groups).sees(acl) is sees


def test_an_overseer_sees_everything_of_its_tenant() -> None:
    assert overseer("acme").sees(("hr",))
    assert overseer("acme").tenant == "acme"


def test_a_request_is_looked_at_with_its_caller_s_eyes() -> None:
    assert RequestContext("r", "acme", groups=("hr",)).viewer == Viewer("acme", ("hr",))
    assert RequestContext("r").viewer == Viewer("default")


@pytest.mark.parametrize("name", ["hr", "Domain Users", "/finance/eu", "Büro", "人事", "CN=a,OU=b", "a" * 128])
def test_what_can_name_a_group(name: str) -> None:
    assert group_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", "*", " hr", "hr\n", "h\tr", "a" * 129, "h\u200dr", "h\u2028r", "\ue000", "\ud800"]
)
def test_what_cannot(name: str) -> None:
    assert group_fault(name)
    assert groups_fault(["ok", name])


def test_the_same_groups_are_the_same_viewer() -> None:
    assert in_order(["b", "a", "b"]) == in_order(["a", "b"]) == ("a", "b")
