"""Runs one program under guard: bounded time, bounded silence, bounded output, and nothing left behind.

Knows nothing of secrets. The program runs in a process group of its own, which is killed as a whole when the run ends,
however it ends; until then the leader is left unreaped, so that its number cannot pass to another process.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_CHUNK_BYTES: Final = 65_536
_EXIT_POLL_SECONDS: Final = 0.02


class ProcessFault(Exception):
    """The program did not end as it must; the message says how, without a word of its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. ``argv`` starts with an absolute path; ``environ`` is all that the program sees of ours."""

    argv: tuple[str, ...] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    folder: str
    stdin: bytes = field(repr=False)
    timeout_ms: int
    no_output_timeout_ms: int
    max_output_bytes: int


def run_program(program: Program, *, deadline: float, clock: Callable[[], float]) -> bytes:
    """Run the program to its end and return its standard output.

    Args:
        program: What to run.
        deadline: When to give up, on ``clock``.
        clock: Seconds, monotonic.

    Raises:
        ProcessFault: It could not be started, was too slow, too silent or too loud, or ended with anything but 0.
    """
    process = _start(program)
    try:
        run = _Run(process, program, deadline=deadline, clock=clock)
        with run:
            run.converse()
    except OSError as error:
        raise ProcessFault(f"the command cannot be listened to ({error.strerror})") from None
    finally:
        _end_group(process)
    if process.returncode != 0:
        raise ProcessFault(_describe_exit(process.returncode))
    return bytes(run.output)


def _start(program: Program) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(  # noqa: S603 - an absolute path that the operator configured, no shell
            program.argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            env=dict(program.environ),
            cwd=program.folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ProcessFault(f"the command cannot be started ({reason or 'invalid arguments'})") from None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        # A group whose every member is a zombie answers EPERM on some systems, ESRCH on others: both mean nobody left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _describe_exit(code: int) -> str:
    return f"the command was ended by signal {-code}" if code < 0 else f"the command ended with exit code {code}"


class _Run:
    """The conversation with one running program; owns the pipes, not the process."""

    def __init__(
        self, process: subprocess.Popen[bytes], program: Program, *, deadline: float, clock: Callable[[], float]
    ) -> None:
        self.output = bytearray()
        self._process, self._program, self._deadline, self._clock = process, program, deadline, clock
        self._unsent = memoryview(program.stdin)
        self._heard_bytes = 0
        self._heard_at = clock()
        self._selector = selectors.DefaultSelector()
        self._exit_descriptor = _open_exit_descriptor(process.pid)

    def __enter__(self) -> _Run:
        for stream, events in (
            (self._process.stdin, selectors.EVENT_WRITE),
            (self._process.stdout, selectors.EVENT_READ),
            (self._process.stderr, selectors.EVENT_READ),
        ):
            assert stream is not None  # noqa: S101 - asked for as pipes
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream.fileno(), events)
        if self._exit_descriptor is not None:
            self._selector.register(self._exit_descriptor, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        if self._exit_descriptor is not None:
            os.close(self._exit_descriptor)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def converse(self) -> None:
        """Feed the input and gather the output until the program has ended.

        A child of the program that holds the pipes open is not waited for: what the program wrote is in the pipe when
        it ends, and is read.
        """
        while not self._has_exited():
            for key, _ in self._selector.select(self._wait_seconds()):
                self._serve(key.fd)
            self._check_times()
        self._drain()

    def _serve(self, descriptor: int) -> None:
        if descriptor == self._exit_descriptor:
            return
        if self._process.stdin is not None and descriptor == self._process.stdin.fileno():
            self._feed(descriptor)
        elif not self._listen(descriptor):
            self._selector.unregister(descriptor)

    def _feed(self, descriptor: int) -> None:
        # A program may ignore its input: a closed pipe is no fault.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self._unsent = self._unsent[os.write(descriptor, self._unsent) :]
            if self._unsent:
                return
        self._selector.unregister(descriptor)
        assert self._process.stdin is not None  # noqa: S101 - asked for as a pipe
        self._process.stdin.close()
        self._process.stdin = None

    def _listen(self, descriptor: int) -> bool:
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        assert self._process.stdout is not None  # noqa: S101 - asked for as a pipe
        if descriptor == self._process.stdout.fileno():
            self.output += chunk
        self._heard_bytes += len(chunk)
        self._heard_at = self._clock()
        if self._heard_bytes > self._program.max_output_bytes:
            raise ProcessFault(f"the command wrote more than {self._program.max_output_bytes} bytes")
        return bool(chunk)

    def _drain(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None  # noqa: S101 - asked for as pipes
            while self._has_unread(stream.fileno()) and self._listen(stream.fileno()):
                pass

    @staticmethod
    def _has_unread(descriptor: int) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _has_exited(self) -> bool:
        # WNOWAIT: seen, but not reaped, so the group can still be named.
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            raise ProcessFault("the command's exit code was taken by somebody else (SIGCHLD is ignored?)") from None

    def _silence_ends_at(self) -> float:
        return self._heard_at + self._program.no_output_timeout_ms / 1000

    def _wait_seconds(self) -> float:
        left = max(0.0, min(self._deadline, self._silence_ends_at()) - self._clock())
        return left if self._exit_descriptor is not None else min(left, _EXIT_POLL_SECONDS)

    def _check_times(self) -> None:
        now = self._clock()
        if now >= self._deadline:
            raise ProcessFault(f"the command did not end within {self._program.timeout_ms} ms")
        if now >= self._silence_ends_at():
            raise ProcessFault(f"the command wrote nothing for {self._program.no_output_timeout_ms} ms")


def _open_exit_descriptor(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, ``None`` where the system has none."""
    open_descriptor: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
    if open_descriptor is None:
        return None
    try:
        return open_descriptor(pid)
    except OSError:
        return None
