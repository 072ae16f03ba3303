"""Processes that label structures side by side, each of which may die without harm to the rest."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Pipe, wait
from typing import Any, NamedTuple

from ase import Atoms

from oligopoly.errors import UserError
from oligopoly.labelers.contract import Label, Labeler
from oligopoly.labelers.outcomes import Outcome
from oligopoly.labelers.programs import TAIL

Factory = Callable[..., Labeler]  # takes `threads`

PATIENCE_S = 10.0  # for a process to end by itself


class Result(NamedTuple):
    """What became of the structure `number`; seconds of wall time, memory in MB (0 where unknown)."""

    number: int
    outcome: Outcome
    reason: str
    label: Label | None
    seconds: float
    megabytes: float


class Crew:
    """Up to `size` processes with `threads` threads each; they start when there is work.

    factories: by name, what makes a labeler for a number of threads; they are pickled. Use it as a context manager, so
    that no process stays.
    """

    def __init__(self, factories: Mapping[str, Factory], size: int, threads: int = 1):
        self.factories, self.size, self.threads = dict(factories), size, threads
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        for worker in self._workers:
            worker.end(at_once=kind is not None)

    @property
    def free(self) -> bool:
        """Can it take one more structure?"""
        return len(self.busy) < self.size

    @property
    def busy(self) -> dict[int, float]:
        """Structures that are being labelled, and since when (time.monotonic)."""
        return {w.number: w.since for w in self._workers if w.number is not None}

    def start(self, number: int, name: str, atoms: Atoms) -> None:
        """Give structure `number` to a process; the labeler is that of `name`."""
        idle = next((w for w in self._workers if w.number is None), None)
        if idle is None:
            idle = _Worker(self.factories, self.threads)
            self._workers.append(idle)
        idle.give(number, name, atoms)

    def results(self, timeout_s: float | None) -> list[Result]:
        """Those that end within `timeout_s` (None: wait for one). UserError where a labeler cannot start at all."""
        busy = {worker.connection: worker for worker in self._workers if worker.number is not None}
        ready = wait(list(busy), timeout_s)
        return [self._finish(worker) for connection, worker in busy.items() if connection in ready]

    def abandon(self) -> list[int]:
        """Stop everything that is being labelled, and say what it was."""
        stopped = [(worker, worker.number) for worker in self._workers if worker.number is not None]
        for worker, _ in stopped:
            self._workers.remove(worker)
            worker.end(at_once=True)
        return [number for _, number in stopped]

    def _finish(self, worker: "_Worker") -> Result:
        number, since = worker.number, worker.since
        assert number is not None  # it was busy
        worker.number = None
        try:
            answer = worker.connection.recv()
        except (EOFError, ConnectionError):
            self._workers.remove(worker)
            outcome, reason = worker.post_mortem()
            return Result(number, outcome, reason, None, time.monotonic() - since, 0.0)
        if answer[0] == "mistake":
            raise UserError(answer[1])
        _, outcome, reason, label, seconds, megabytes = answer
        if outcome is Outcome.CRASHED:
            reason = _with_tail(reason, worker.output())
        return Result(number, outcome, reason, label, seconds, megabytes)


class _Worker:
    """One process; `number`: of the structure that it labels, or None."""

    def __init__(self, factories: Mapping[str, Factory], threads: int):
        self.connection, theirs = Pipe()
        self.number: int | None = None
        self.since = 0.0
        self._output = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the process
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oligopoly.labelling.worker", str(theirs.fileno()), str(os.getpid())],
            env=os.environ | dict.fromkeys(names, str(threads)),
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()], start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._send(sys.path, dict(factories), threads)

    def give(self, number: int, name: str, atoms: Atoms) -> None:
        self.number, self.since = number, time.monotonic()
        # Only the output from now on is this structure's; the process writes at this file's position, which it shares.
        self._output.seek(0)
        self._output.truncate()
        self._send((name, atoms))

    def output(self) -> str:
        """What was printed since the structure was given."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), 10 * TAIL, max(0, size - 10 * TAIL)).decode(errors="replace")

    def end(self, at_once: bool) -> None:
        self.connection.close()
        try:
            self._process.wait(0 if at_once else PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._kill()
        self._output.close()

    def post_mortem(self) -> tuple[Outcome, str]:
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = None
        self._kill()
        output = self.output()
        self._output.close()
        self.connection.close()
        if code == -signal.SIGKILL:
            return Outcome.OUT_OF_MEMORY, "the process was killed, as the system does when memory runs out"
        ended = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        return Outcome.CRASHED, _with_tail(f"the process ended with {ended}", output)

    def _send(self, *messages: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionError):  # it died, as whoever waits for it will hear
            for message in messages:
                self.connection.send(message)

    def _kill(self) -> None:
        # The programs that it started are in its group, whether it lives or not.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _with_tail(reason: str, output: str) -> str:
    output = output.strip()
    return f"{reason}; last output: {output[-TAIL:]}" if output else reason
