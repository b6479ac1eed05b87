"""Each instrument runs with tiny numbers and finds what it should; what it measures is nobody's business here."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.compare import Comparison, Plan
from benchmarks.loadgen import Figure, Load, LoadFailed, LoadGenerator, Target
from benchmarks.overhead import KINDS, WATCHES, Figures
from benchmarks.pages import PAGES
from benchmarks.processes import Usage, list_tree, read_cpu_seconds, read_usage
from benchmarks.report import draw_comparison, format_comparison
from benchmarks.soak import Sample, Soak
from tests.requirements import require

FLOW_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(autouse=True)
def compiler() -> None:
    found = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    require("a C compiler, for the load generator", available=found)


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: two would wait for each other's acknowledgement
    status = 200
    chunked = False
    peers: set[str]
    actions: list[Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.peers.add(self.client_address[0])
        self.actions.append(body)
        flow = {"flowId": FLOW_ID, "revision": 3}
        text = json.dumps({"ok": True, "result": {"created": True, "flow": flow}}, separators=(",", ":")).encode()
        self.send_response(self.status)
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            text = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
        else:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(**attributes: Any) -> Iterator[tuple[Target, type[Answering]]]:
    handler = type("Handler", (Answering,), {"peers": set(), "actions": [], **attributes})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Target(name="stub", port=server.server_port, path="/stub", secret="s3cret", pid=os.getpid()), handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def figure(rps: float) -> Figure:
    latencies = {"p50_us": 1000.0, "p90_us": 2000.0, "p99_us": 3000.0, "max_us": 4000.0}
    return Figure(rps=rps, **latencies, cpu_us=500, resident_bytes=50 << 20, by_status={"200": 5})


@pytest.mark.parametrize("chunked", [False, True])
def test_the_load_generator_counts_right_answers_and_changes_its_address(chunked: bool) -> None:
    with answering(chunked=chunked) as (target, handler):
        found = LoadGenerator().run(target, Load("create", requests=250, connections=2, warm_up=20))
    assert found.by_status == {"200": 250}
    assert len(handler.actions) == 270
    assert len(handler.peers) >= 3
    assert json.loads(handler.actions[0])["action"] == "create_flow"
    assert found.p50_us <= found.p90_us <= found.p99_us <= found.max_us


def test_get_asks_for_the_flow_that_was_created_first() -> None:
    with answering() as (target, handler):
        LoadGenerator().run(target, Load("get", requests=5, connections=1, warm_up=0))
    asked = [json.loads(body) for body in handler.actions]
    assert [one["action"] for one in asked] == ["create_flow", *["get_flow"] * 5]
    assert {one["flowId"] for one in asked[1:]} == {FLOW_ID}


@pytest.mark.parametrize(
    ("attributes", "load"),
    [
        ({"status": 500}, Load("create", requests=3, warm_up=0)),
        ({}, Load("list", requests=3, warm_up=0)),
        ({}, Load("body", body="{}", expected_text="nobody says this", requests=3, warm_up=0)),
        ({"status": 404}, Load("get", requests=3, warm_up=0)),
    ],
)
def test_a_wrong_answer_is_no_measurement(attributes: dict[str, Any], load: Load) -> None:
    with answering(**attributes) as (target, _), pytest.raises(LoadFailed):
        LoadGenerator().run(target, load)


def test_a_server_that_is_not_there_is_named() -> None:
    target = Target(name="nobody", port=1, path="/", secret="s", pid=os.getpid())
    with pytest.raises(LoadFailed, match=r"nobody, create: .*cannot connect to 127\.0\.0\.1:1"):
        LoadGenerator().run(target, Load("create", requests=1))


def test_a_source_that_does_not_compile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loadgen.c").write_text("no C")
    monkeypatch.setattr("benchmarks.loadgen.SOURCE", tmp_path / "loadgen.c")
    with pytest.raises(LoadFailed, match=r"refused loadgen\.c"):
        LoadGenerator(tmp_path)


def test_processes_tell_what_they_hold() -> None:
    usage = read_usage(os.getpid())
    assert list_tree(os.getpid())[0] == usage.pid
    assert usage.resident_bytes > 1 << 20
    assert usage.descriptors >= 3
    assert usage.threads >= 1
    assert read_cpu_seconds([os.getpid()]) > 0


def test_ratios_are_made_within_a_round() -> None:
    comparison = Comparison(Plan(systems=("app-asgi", "gateway-x"), modes=("get", "list")))
    for mine, theirs in ((200.0, 100.0), (30.0, 10.0), (100.0, 100.0)):
        comparison.add("app-asgi", "get", figure(mine))
        comparison.add("gateway-x", "get", figure(theirs))
    assert comparison.ratios("app-asgi", "get", against="gateway-x") == [1.0, 2.0, 3.0]
    text = format_comparison(comparison)
    assert "2.00 (1.00 to 3.00)" in text
    assert "100 (30 to 200)" in text
    drawing = draw_comparison(comparison)
    assert drawing.count("<rect") == 1 + 2 + 2  # the ground, a key and a bar for each system
    assert ">100/s<" in drawing


def test_the_soak_finds_what_did_not_come_back() -> None:
    def sample(**changes: Any) -> Sample:
        fields = {"pid": 1, "resident_bytes": 60 << 20, "descriptors": 10, "threads": 5, **changes}
        rows = {"flows": fields.pop("rows", 0)}
        return Sample(at_seconds=0, workers=[Usage(**fields)], rows=rows)

    def faults(last: Sample, **by_status: int) -> str:
        return "; ".join(Soak(by_status=by_status, samples=[sample(), last]).find_faults())

    assert faults(sample(resident_bytes=61 << 20)) == ""
    assert "grew from 60 to 90 MB" in faults(sample(resident_bytes=90 << 20))
    assert "holds 130 MB" in faults(sample(resident_bytes=130 << 20))
    assert "keeps descriptors" in faults(sample(descriptors=35))
    assert "died" in faults(sample(pid=2))
    assert "rows are left" in faults(sample(rows=10_000))
    assert "2 answers were 5xx" in faults(sample(), **{"503": 2})


def test_compare_measures_this_app_and_a_plain_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    systems = ["app-asgi", "plain-django"]
    numbers = ["--rounds", "1", "--requests", "20", "--connections", "2", "--flows", "20"]
    code = main(["--output", str(tmp_path), "compare", "--systems", *systems, *numbers])
    assert code == 0
    measured = json.loads((tmp_path / "compare.json").read_text())["measured"]["figures"]
    assert set(measured["app-asgi"]) == {"create", "lifecycle", "get", "summary", "latest", "list"}
    assert all(one["rps"] > 0 for rounds in measured["app-asgi"].values() for one in rounds)
    assert "| plain-django" in capsys.readouterr().out
    assert (tmp_path / "compare.svg").read_text().startswith("<svg")


def test_disturb_probes_among_hostile_clients_and_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--output", str(tmp_path), "disturb", "--clients", "2", "--flows", "20", "--requests", "5"])
    assert [one["kind"] for one in json.loads((tmp_path / "disturb.json").read_text())["measured"]] == [
        "hostile",
        "list 20",
        "trailers",
        "bodies elsewhere",
        "unread answers",
        "sign-ins",
        "resets",
    ]
    assert "| hostile" in capsys.readouterr().out


def test_size_asks_stores_turn_about(tmp_path: Path) -> None:
    arguments = ["--flows", "0", "30", "--calls", "0", "60", "--rounds", "1", "--repeat", "3"]
    assert main(["--output", str(tmp_path), "size", *arguments]) == 0
    small, large = json.loads((tmp_path / "size.json").read_text())["measured"]
    assert small["ratios"]["get"] == 1
    assert large["size"] == {"flows": 30, "calls": 60}
    assert set(large["medians_us"]) == {"create", "get", "latest", "summary", "calls page", "routes page", "flows page"}


def test_overhead_compares_ways_of_watching(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--output", str(tmp_path), "overhead", "--rounds", "1", "--repeat", "3"])
    measured = json.loads((tmp_path / "overhead.json").read_text())["measured"]
    assert set(measured) == {"time_us", "thread_us", "cpu_us"}
    assert all(len(rounds) == 1 for found in measured.values() for kinds in found.values() for rounds in kinds.values())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == list(WATCHES)


def test_the_bound_is_for_records_and_metrics() -> None:
    def figures(share: float) -> Figures:
        found = {watch: {kind: [100.0 * (1 if watch == WATCHES[0] else share)] for kind in KINDS} for watch in WATCHES}
        return Figures(time_us=found, thread_us=found, cpu_us=found)

    assert figures(1.05).is_within_bound
    assert not figures(1.06).is_within_bound


def test_pages_asks_every_page_of_both_stores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--flows", "200", "--calls", "200", "--rounds", "1"]
    main(["--output", str(tmp_path), "pages", *arguments])
    measured = json.loads((tmp_path / "pages.json").read_text())["measured"]
    assert {one["page"] for one in measured} == set(PAGES)
    assert all(one["empty_ms"] > 0 for one in measured)
    assert "calls ?status=2" in capsys.readouterr().out


def test_soak_ends_with_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--output", str(tmp_path), "soak", "--duration", "0", "--rest", "0"])
    assert "answers by status" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "soak.json").read_text())["measured"]["samples"]) == 2
