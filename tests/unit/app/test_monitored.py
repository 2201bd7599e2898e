"""The monitor of a process: what is taken in the last moment is on the disk, and shipped, when it is left."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.records import answer_record
from fakes.spools import Made
from tandem.app.monitored import monitor
from tandem.app.settings import Settings
from tandem.domain.record import AnswerRecord
from tandem.observe.metrics import Metrics
from tandem.pipeline.monitoring import Unmonitored
from tandem.pipeline.shipping import Pace


class Collector:
    """A sink that keeps ids; `hangs`: for ever."""

    def __init__(self, name: str = "collector", *, hangs: bool = False) -> None:
        self.name = name
        self.ids: list[str] = []
        self._hangs = hangs

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        self.ids += [record.id for record in records]


def settings(folder: Path, **chosen: object) -> Settings:
    return Settings.model_validate({"data_dir": folder, "monitor": chosen})


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_what_came_last_is_shipped_before_the_end(tmp_path: Path) -> None:
    sink, metrics = Collector(), Metrics("0", "all")
    async with monitor(settings(tmp_path), metrics, beside=[(sink, Pace())]) as told:
        for n in range(200):
            told.take(Made(answer_record(f"rcpt-{n}")))
    assert sink.ids == [f"rcpt-{n}" for n in range(200)]
    assert metrics.registry.get_sample_value("tandem_monitor_records_total") == 200
    assert metrics.registry.get_sample_value("tandem_monitor_lag_records", {"sink": "collector"}) == 0


async def test_a_sink_that_hangs_holds_the_end_up_for_no_longer_than_agreed_and_the_next_process_ships_it(
    tmp_path: Path,
) -> None:
    chosen = settings(tmp_path, drain_timeout_s=0.3)
    near, stuck = Collector("near"), Collector("stuck", hangs=True)
    async with monitor(chosen, Metrics("0", "all"), beside=[(near, Pace()), (stuck, Pace())]) as told:
        told.take(Made(answer_record("rcpt-0")))
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 3
    assert near.ids == ["rcpt-0"]
    back = Collector("stuck")
    async with monitor(chosen, Metrics("0", "all"), beside=[(near, Pace()), (back, Pace())]):
        pass
    assert (near.ids, back.ids) == (["rcpt-0"], ["rcpt-0"])


@pytest.mark.parametrize("sinks", [[], [(Collector(), Pace())]])
async def test_switched_off_or_without_a_sink_nothing_is_kept(
    tmp_path: Path, sinks: list[tuple[Collector, Pace]]
) -> None:
    async with monitor(settings(tmp_path, enabled=not sinks), Metrics("0", "all"), beside=sinks) as told:
        assert isinstance(told, Unmonitored)
    assert not files(tmp_path)
