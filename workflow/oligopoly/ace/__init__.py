"""Linear atomic cluster expansion in pacemaker's formats, without pacemaker."""


def __getattr__(name: str):
    # numba takes a third of a second to import, and reading a potential does not need it
    if name == "ACECalculator":
        from oligopoly.ace.calculator import ACECalculator

        return ACECalculator
    raise AttributeError(name)
