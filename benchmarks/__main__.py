"""``python -m benchmarks COMMAND``: every instrument of this folder from the command line."""
# ruff: noqa: T201 - this is a program's output

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeAlias

from benchmarks.compare import LISTED_FLOWS, MODES, Comparison, Plan, compare
from benchmarks.floods import measure_floods
from benchmarks.gateways import GatewayMissing
from benchmarks.hostile import measure_hostile, measure_lists
from benchmarks.loadgen import LoadFailed
from benchmarks.overhead import measure_overhead
from benchmarks.pages import measure_pages
from benchmarks.report import (
    draw_comparison,
    format_comparison,
    format_disturbances,
    format_overhead,
    format_pages,
    format_sizes,
    write_json,
)
from benchmarks.size import Size, measure_sizes
from benchmarks.soak import soak
from benchmarks.systems import COMPARED, SYSTEMS
from tests.live import DOORS
from tests.postgres import running_postgres

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str]) -> int:
    """Run one instrument; return 0 where it measured, 1 where it could not or its bounds were not kept."""
    options = build_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace, Path], bool] = options.run
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ocw-bench-") as folder:
        try:
            return 0 if run(options, Path(folder)) else 1
        except (LoadFailed, GatewayMissing) as error:
            print(error, file=sys.stderr)
            return 1


def build_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder for JSON and plots")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_compare(commands)
    _add_disturb(commands)
    _add_size(commands)
    _add_overhead(commands)
    _add_pages(commands)
    _add_soak(commands)
    return parser


def _add_compare(commands: Subparsers) -> None:
    command = commands.add_parser("compare", help="this app beside the real Gateways, turn about")
    systems = f"any of {', '.join(SYSTEMS)}; default: the first {len(COMPARED)}"
    command.add_argument("--systems", nargs="+", choices=SYSTEMS, default=COMPARED, metavar="SYSTEM", help=systems)
    command.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), metavar="MODE")
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--requests", type=int, default=5000, help="of each mode, system and round")
    command.add_argument("--connections", type=int, default=8)
    command.add_argument("--flows", type=int, default=LISTED_FLOWS, help="in the store of latest and list")
    command.set_defaults(run=_compare)


def _compare(options: argparse.Namespace, folder: Path) -> bool:
    plan = Plan(
        systems=options.systems,
        modes=options.modes,
        rounds=options.rounds,
        requests=options.requests,
        connections=options.connections,
        listed_flows=options.flows,
    )

    def keep(comparison: Comparison) -> None:
        write_json(options.output / "compare.json", {"plan": plan, "figures": comparison.figures})
        (options.output / "compare.txt").write_text(format_comparison(comparison), encoding="utf-8")
        (options.output / "compare.svg").write_text(draw_comparison(comparison), encoding="utf-8")

    print(format_comparison(compare(plan, folder, keep=keep)))
    return True


def _add_disturb(commands: Subparsers) -> None:
    command = commands.add_parser(
        "disturb", help="one client's p99 among hostile clients, beside long lists and under floods"
    )
    command.add_argument("--clients", type=int, default=100, help="of each of four hostile kinds")
    command.add_argument("--flows", type=int, default=LISTED_FLOWS, help="in the list")
    command.add_argument("--requests", type=int, default=600, help="of the one client")
    command.add_argument("--door", choices=DOORS, default="gunicorn-asgi")
    command.set_defaults(run=_disturb)


def _disturb(options: argparse.Namespace, folder: Path) -> bool:
    (folder / "hostile").mkdir()
    (folder / "lists").mkdir()
    (folder / "floods").mkdir()
    found = [
        measure_hostile(folder / "hostile", door=options.door, clients=options.clients, requests=options.requests),
        measure_lists(folder / "lists", door=options.door, flows=options.flows, requests=options.requests),
        *measure_floods(folder / "floods", door=options.door, requests=options.requests),
    ]
    print(format_disturbances(found))
    write_json(options.output / "disturb.json", found)
    return all(one.is_within_bound for one in found)


def _add_size(commands: Subparsers) -> None:
    command = commands.add_parser("size", help="microseconds in process, over stores of growing size, turn about")
    command.add_argument("--flows", type=int, nargs="+", default=[0, 1000, 10_000, 100_000])
    command.add_argument("--calls", type=int, nargs="+", default=[0, 10_000, 100_000, 1_000_000])
    command.add_argument("--rounds", type=int, default=7)
    command.add_argument("--repeat", type=int, default=200, help="requests of each kind in a round")
    command.set_defaults(run=_size)


def _size(options: argparse.Namespace, folder: Path) -> bool:
    sizes = [Size(flows=flows, calls=calls) for flows, calls in zip(options.flows, options.calls, strict=True)]
    figures = measure_sizes(folder, sizes, rounds=options.rounds, repeat=options.repeat)
    print(format_sizes(figures))
    write_json(options.output / "size.json", figures)
    return True


def _add_overhead(commands: Subparsers) -> None:
    command = commands.add_parser("overhead", help="what records, metrics and the log add to a request, turn about")
    command.add_argument("--rounds", type=int, default=200)
    command.add_argument("--repeat", type=int, default=50, help="requests of each kind in a round")
    command.set_defaults(run=_overhead)


def _overhead(options: argparse.Namespace, folder: Path) -> bool:
    figures = measure_overhead(folder, rounds=options.rounds, repeat=options.repeat)
    print(format_overhead(figures))
    write_json(options.output / "overhead.json", figures)
    return figures.is_within_bound


def _add_pages(commands: Subparsers) -> None:
    command = commands.add_parser(
        "pages", help="every page and filter of the admin, over a full store and an empty one"
    )
    command.add_argument("--flows", type=int, default=100_000)
    command.add_argument("--calls", type=int, default=1_000_000)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--only", default="", help="pages whose name holds this, such as 'calls ?status'")
    command.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    command.set_defaults(run=_pages)


def _pages(options: argparse.Namespace, folder: Path) -> bool:
    size = Size(flows=options.flows, calls=options.calls)
    with ExitStack() as stack:
        servers = [stack.enter_context(running_postgres()) for _ in range(2 if options.postgres else 0)]
        urls = [server.url for server in servers] or [None, None]
        figures = measure_pages(folder, size, rounds=options.rounds, only=options.only, database_urls=urls)
    print(format_pages(figures))
    write_json(options.output / "pages.json", figures)
    return all(one.is_within_bound for one in figures)


def _add_soak(commands: Subparsers) -> None:
    command = commands.add_parser("soak", help="mixed load for long, and whether what it adds comes back")
    command.add_argument("--duration", type=float, default=3600.0, help="seconds")
    command.add_argument("--every", type=float, default=30.0, help="seconds between samples")
    command.add_argument("--rest", type=float, default=45.0, help="seconds before what is left is looked at")
    command.add_argument("--door", choices=DOORS, default="gunicorn-asgi")
    command.set_defaults(run=_soak)


def _soak(options: argparse.Namespace, folder: Path) -> bool:
    result = soak(
        folder,
        door=options.door,
        duration_seconds=options.duration,
        sample_every_seconds=options.every,
        rest_seconds=options.rest,
    )
    write_json(options.output / "soak.json", result)
    faults = list(result.find_faults())
    print(f"{result.requests} requests, answers by status: {result.by_status}")
    print("\n".join(faults) or "what was added came back")
    return not faults


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does: what was started is stopped on the way out."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
