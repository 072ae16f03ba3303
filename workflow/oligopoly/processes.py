"""Programs that we start end with us."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


# Loaded here, since little is safe between fork and exec. Only Linux has prctl(2).
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_parent() -> None:
    """For `preexec_fn`: the program is killed when the process that started it ends, however that happens."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
