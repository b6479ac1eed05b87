"""Numbers of several processes, living and dead, are added up once each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.monitoring.catalogue import BUCKETS_US, REQUEST_SECONDS, REQUESTS
from openclaw_webhooks.monitoring.exposition import build_exposition
from openclaw_webhooks.monitoring.shared_totals import SharedTotals
from openclaw_webhooks.monitoring.totals import Totals
from tests.live import ROOT
from tests.monitoring.scraping import parse_metrics, sum_of

LABELS = ("zapier", "create_flow", "200", "")
WORKER = """
import sys, time
from pathlib import Path
from openclaw_webhooks.monitoring.shared_totals import SharedTotals
from openclaw_webhooks.monitoring.totals import Totals
totals = Totals()
totals.count("openclaw_webhooks_requests_total", "zapier", "create_flow", "200", "", amount=5)
shared = SharedTotals(Path(sys.argv[1]))
shared.write(totals, {"openclaw_webhooks_call_records_waiting": 3})
print("written", flush=True)
time.sleep(60)
"""


def count(amount: int) -> Totals:
    totals = Totals()
    totals.count(REQUESTS.name, *LABELS, amount=amount)
    return totals


def calls_of(shared: SharedTotals) -> int:
    return sum(numbers[0] for _, numbers in shared.add_up().totals)


def test_a_killed_process_keeps_its_counts_and_loses_its_gauges(tmp_path: Path) -> None:
    here = SharedTotals(tmp_path / "metrics")
    here.write(count(2), {"openclaw_webhooks_call_records_waiting": 1})
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path / "metrics")], cwd=ROOT, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"written\n"
        living = here.add_up()
        os.kill(worker.pid, signal.SIGKILL)
    assert (calls_of(here), living.processes) == (7, 2)
    assert living.gauges == {"openclaw_webhooks_call_records_waiting": 4}
    dead = here.add_up()
    assert (calls_of(here), dead.processes) == (7, 1)
    assert dead.gauges == {"openclaw_webhooks_call_records_waiting": 1}
    here.write(count(9), {})
    assert calls_of(here) == 14
    here.close()
    assert calls_of(SharedTotals(tmp_path / "metrics")) == 14


def test_a_crash_while_the_dead_are_put_together_counts_nobody_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = SharedTotals(tmp_path)
    ended.write(count(5), {})
    ended.close()
    heir = SharedTotals(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(OSError, match="crashed"):
            heir.add_up()
    assert calls_of(heir) == 5
    assert calls_of(heir) == 5


def refuse(*_: object, **__: object) -> None:
    raise OSError("crashed")


def test_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="not this user's own"):
        SharedTotals(tmp_path / "link").write(count(1), {})


@given(st.lists(st.integers(0, 20_000_000), max_size=30))
def test_a_histogram_says_how_many_were_below_each_bound(durations_us: list[int]) -> None:
    totals = Totals()
    for duration_us in durations_us:
        totals.observe(REQUEST_SECONDS.name, "zapier", duration_us)
    samples = parse_metrics(build_exposition(Totals.load(totals.dump()), {}).decode())
    for bound_us in BUCKETS_US:
        below = sum_of(samples, f"{REQUEST_SECONDS.name}_bucket", le=f"{bound_us / 1e6:g}")
        assert below == sum(duration_us <= bound_us for duration_us in durations_us)
    assert sum_of(samples, f"{REQUEST_SECONDS.name}_count") == len(durations_us)
    assert sum_of(samples, f"{REQUEST_SECONDS.name}_sum") == pytest.approx(sum(durations_us) / 1e6)


@given(st.text())
def test_no_label_breaks_out_of_its_line(text: str) -> None:
    totals = Totals()
    totals.count(REQUESTS.name, text, "", "200", "")
    lines = build_exposition(totals, {}).decode("utf-8", "surrogatepass").split("\n") if text.isprintable() else []
    assert not lines or sum(line.startswith(f"{REQUESTS.name}{{") for line in lines) == 1
