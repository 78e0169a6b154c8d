"""How a verb ends other than well: each with an exit code, a message and a way out, and never a stack trace."""

from typing import ClassVar, Final, final

INTERRUPTED: Final = 130


class Stopped(Exception):  # noqa: N818 - drift and a refusal are answers, not errors
    """What is wrong, and what to do about it."""

    code: ClassVar[int]

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(f"{message}\n{way_out}".strip())
        self.message: Final = message
        self.way_out: Final = way_out


@final
class Failed(Stopped):
    """A test, an image, a deployment or a page failed."""

    code = 1


@final
class WrongUse(Stopped):
    """An argument, a branch, a file, a program or a credential is missing or unknown."""

    code = 2


@final
class Refused(Stopped):
    """A rule refuses it; the message quotes the rule."""

    code = 3


@final
class Drifted(Stopped):
    """The cloud no longer matches what was deployed."""

    code = 4


@final
class Locked(Stopped):
    """Somebody else held the stack's lock until the deadline."""

    code = 5
