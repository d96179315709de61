"""The settings of a command, and the database and peppers that they name."""

from __future__ import annotations

import os

from pydantic import ValidationError

from loyalty_service.bootstrap import database_of
from loyalty_service.config import Settings, require_known_variables
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current


def read_settings() -> Settings:
    """
    Read the settings from the environment.

    Raises:
        OperatorError: A variable has a value that its setting does not take, or is no setting.
    """
    require_known_variables(os.environ)
    try:
        return Settings()
    except ValidationError as problem:
        raise OperatorError(
            "\n".join(
                f"LOYALTY_{'_'.join(map(str, error['loc'])).upper()}: "
                f"{error['msg'].removeprefix('Value error, ')}."
                for error in problem.errors()
            )
        ) from None


def database_of_option(option: str, text: str) -> Database:
    """Return the database whose URL was given as an option."""
    try:
        return Database.from_text(text)
    except ValueError as problem:
        raise OperatorError(f"{option} {problem}.") from None


def current_database(settings: Settings) -> Database:
    """Give a database that is there and has this version's schema."""
    database = database_of(settings)
    require_database(database)
    require_current(database)
    return database


def known_peppers(settings: Settings) -> Peppers:
    """Return the code peppers that are known here; without one the command ends."""
    peppers = settings.known_peppers()
    if peppers is None:
        raise OperatorError(
            f"There is no code pepper: set LOYALTY_CODE_PEPPER, or bring {settings.pepper_file}."
        )
    return peppers
