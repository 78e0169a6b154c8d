"""The stacks' files for verbs: what cannot be read as Pulumi reads it is wrong use, with the way out."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from infra import stack_files
from infra.stack_files import StackFileError, stack_file, write
from pipeline.outcomes import WrongUse

__all__ = ["configurations", "read", "settings_in", "stack_file", "write"]

T = TypeVar("T")


def _for_verbs(reader: Callable[[Path], T]) -> Callable[[Path], T]:
    @functools.wraps(reader)
    def read(path: Path) -> T:
        try:
            return reader(path)
        except StackFileError as error:
            raise WrongUse(error.message, error.way_out) from None

    return read


configurations = _for_verbs(stack_files.configurations)
read = _for_verbs(stack_files.read)
settings_in = _for_verbs(stack_files.settings_in)
