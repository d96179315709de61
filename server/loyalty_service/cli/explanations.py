"""What a failed command tells the operator, if the operator can correct it."""

from __future__ import annotations

import errno
import re

from loyalty_service.application.operators.apply_program import (
    ProgramMovedError,
    TooManyRemovalsError,
)
from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.program_file.source import ProgramFileError, render_mistakes
from loyalty_service.transport.errors.rendering import message_of

MISTAKES_SHOWN_MAX = 50

# What Python makes of bytes of an argument or a variable that are not UTF-8.
_UNDECODED = re.compile(r"[\udc80-\udcff]")


def explain(problem: Exception) -> str | None:
    """Return what the operator can correct; nothing if it is a bug of ours."""
    words: str | None = None
    match problem:
        case ProgramFileError():
            lines = render_mistakes(problem, mistakes_max=MISTAKES_SHOWN_MAX, source=True)
            words = "\n".join(lines)
        case LoyaltyError():
            words = f"{message_of(problem)}."
        case ProgramMovedError() | TooManyRemovalsError() | ProgramUnknownError():
            words = _of_program(problem)
        case OperatorError():
            words = str(problem)
        case UnicodeEncodeError() if _UNDECODED.search(problem.object):
            words = "An argument or a variable is not valid UTF-8. Nothing was changed."
        case OSError() if problem.errno == errno.EADDRINUSE:
            words = "A port is taken: set LOYALTY_GRPC_PORT or LOYALTY_METRICS_PORT to another."
        case OSError() if problem.filename:
            words = f"{problem.filename}: {problem.strerror}."
        case RuntimeError() if "bind" in str(problem).lower():
            words = f"The gRPC port is taken: set LOYALTY_GRPC_PORT to another. ({problem})"
    return words


def _of_program(problem: ProgramMovedError | TooManyRemovalsError | ProgramUnknownError) -> str:
    """Say why a program was not changed, or not found."""
    if isinstance(problem, ProgramMovedError):
        return "Somebody else changed the program meanwhile. Nothing was changed: run it again."
    if isinstance(problem, ProgramUnknownError):
        return f"There is no program {problem}: `loyalty apply` makes one from a program file."
    gone = " and ".join(
        f"{part.gone:,} of {len(part.before):,} {part.name}" for part in problem.args
    )
    return (
        f"This leaves out {gone}, more than a tenth. Nothing was changed: "
        "--allow-removals applies it."
    )
