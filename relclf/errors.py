"""The errors that a person sees: each says where, what, and the next move.

Everything relclf raises on purpose is a `RelclfError`; the command line catches that one type,
prints its message in red on standard error and exits with its `exit_code`.
"""


class RelclfError(Exception):
    """Something went wrong that the message explains: where, what, and the next move."""

    exit_code: int = 1


class UserMistake(RelclfError):
    """Input that the person can mend: a config, a data file, an argument (exit code 2)."""

    exit_code = 2


class DataError(UserMistake):
    """A malformed place in a data file; the message begins with "file:line: "."""


class Failure(RelclfError):
    """Something failed that is not the person's mistake: a full disk, a loss that is not a number (exit code 1)."""


class Interrupted(RelclfError):
    """Training was stopped by a signal after its state was saved (exit code 128 + the signal's number)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
