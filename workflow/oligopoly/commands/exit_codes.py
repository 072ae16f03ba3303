"""What the exit code of a command says."""

DONE = 0
NOTHING = 1  # a mistake of the user's, or nothing could be done
PARTLY = 3  # some items were done, others not: what became of each is written down


def of(done: int, items: int) -> int:
    """The exit code when so many of the items were done."""
    return DONE if done == items else PARTLY if done else NOTHING
