"""The one exception that is meant for the user's eyes."""


class UserError(ValueError):
    """Something the user can mend: says what was wrong, where, and what would be right.

    Scripts and the command line print its message without a traceback.
    """
