"""The process in which a code labels structures: `python -m oligopoly.labelling.worker FD PARENT`.

A code may crash, hang, or be killed for its memory; then only this process ends. It stays alive from one structure to
the next, so that what a code does at its start is done once.
"""

import os
import resource
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

import psutil

from oligopoly.errors import UserError
from oligopoly.labelers.contract import LabelFailure
from oligopoly.labelers.outcomes import Outcome

POLL_S = 0.2


def main(descriptor: int, parent: int) -> None:
    """Answer each (name, atoms) on the connection with what became of it, until the connection is closed.

    The first messages are the search path of modules, {name: factory of a labeler} and the threads of each. Answers
    are ("done", outcome, reason, label, seconds, MB) or ("mistake", message) where a labeler cannot start.
    """
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    connection = Connection(descriptor)
    sys.path[:] = connection.recv()
    factories, threads, labelers = connection.recv(), connection.recv(), {}
    while True:
        try:
            name, atoms = connection.recv()
        except EOFError:
            break
        start = time.perf_counter()
        try:
            if name not in labelers:
                labelers[name] = factories[name](threads=threads)
            labeler = labelers[name]
            start = time.perf_counter()
            outcome, reason, label = Outcome.LABELLED, "", labeler.label(atoms)
        except LabelFailure as failure:
            outcome, reason, label = failure.outcome, str(failure), None
        except UserError as error:
            connection.send(("mistake", str(error)))
            continue
        except MemoryError as error:
            outcome, reason, label = Outcome.OUT_OF_MEMORY, f"no memory {error}", None
        except Exception as error:
            traceback.print_exc()
            outcome, reason, label = Outcome.CRASHED, f"{type(error).__name__}: {error}", None
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(("done", outcome, reason, label, time.perf_counter() - start, _megabytes()))
    for labeler in labelers.values():
        labeler.close()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.killpg(0, signal.SIGKILL)  # the programs that this process started are of its group


def _megabytes() -> float:
    """Largest memory of this process, and what the programs that it keeps running hold now."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    running = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            running += child.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            continue
    return held + max(ended, running)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
