import pytest

from tandem.domain.model_lineage import Deployed, Installed, Lineage
from tandem.domain.model_version import UNTOLD, Ancestry

OLD, NEW, TRIED = Ancestry("a@1", "run-1"), Ancestry("b@2", "run-2"), Ancestry("c@3")
HUB = Installed("hf://org/m:aaa", OLD)
AFTER = Deployed("hf://org/m:aaa", "bbb", {"bbb": NEW, "ccc": TRIED})


@pytest.mark.parametrize(
    ("installed", "deployed", "revision", "wanted"),
    [
        (HUB, Deployed(), "aaa", OLD),
        (HUB, Deployed(), None, OLD),
        (HUB, Deployed(), "zzz", UNTOLD),
        (HUB, AFTER, "aaa", OLD),
        (HUB, AFTER, "bbb", NEW),
        (HUB, AFTER, "ccc", TRIED),
        (HUB, AFTER, None, NEW),
        # Rolled back to what was installed; and installed anew since.
        (HUB, Deployed(HUB.model, "", {"bbb": NEW}), None, OLD),
        (Installed("hf://org/other:ddd", TRIED), AFTER, None, TRIED),
        (Installed("pvc://models/m", OLD), Deployed(), None, OLD),
        (Installed("pvc://models/m", OLD), Deployed(), "told", UNTOLD),
        (Installed("m", Ancestry("", "", "")), Deployed(), None, UNTOLD),
    ],
)
def test_what_an_engine_tells_leads_to_what_its_model_was_made_from(
    installed: Installed, deployed: Deployed, revision: str | None, wanted: Ancestry
) -> None:
    assert Lineage(installed, deployed).of(revision) == wanted


def test_a_pool_that_does_not_serve_is_the_candidates() -> None:
    beside = Deployed("hf://org/m:aaa", "bbb", {"bbb": NEW, "ccc": TRIED}, "ccc")
    assert Lineage(HUB, beside).of(None, serves=False) == TRIED
    assert Lineage(HUB, beside).of("bbb", serves=False) == NEW
    assert Lineage(HUB, beside).of(None) == NEW
    # One whose candidate went: nobody knows what it is.
    assert Lineage(HUB, AFTER).of(None, serves=False) == UNTOLD


@pytest.mark.parametrize(
    ("model", "revision"),
    [
        ("hf://org/m:aaa", "aaa"),
        ("hf://org/m@aaa/m.Q4.gguf", "aaa"),
        ("hf://org/m", None),
        ("oci://registry:5000/m@sha256:1", None),
        ("", None),
    ],
)
def test_a_revision_is_read_off_a_name_of_the_hub_alone(model: str, revision: str | None) -> None:
    assert Installed(model).revision == revision
