"""A line that says how far a long piece of work is and when it will end."""

import sys
import time

# Begins each line of progress, so that programs need not read it.
MARK = "[progress] "


class Progress:
    """Prints `[progress] label: done/total unit, elapsed, end in about ...` at most every `every_s` seconds.

    Silent on anything that ends sooner, so short work leaves no noise in the log.
    """

    def __init__(self, total: float, label: str, unit: str = "", every_s: float = 10.0):
        self.total, self.label, self.unit, self.every_s = total, label, unit, every_s
        self.done = 0.0
        self._start = self._last = time.monotonic()

    def update(self, amount: float = 1.0) -> None:
        """Count `amount` more as done."""
        self.done += amount
        now = time.monotonic()
        if now - self._last < self.every_s:
            return
        self._last = now
        elapsed = now - self._start
        left = elapsed * (self.total - self.done) / self.done if self.done else float("nan")
        print(
            f"{MARK}{self.label}: {self.done:g}/{self.total:g} {self.unit}".rstrip()
            + f", {clock(elapsed)} so far, ends in about {clock(left)}",
            file=sys.stderr,
            flush=True,
        )


def clock(seconds: float) -> str:
    if seconds != seconds:
        return "?"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
