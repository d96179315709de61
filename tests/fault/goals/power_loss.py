"""G3: the power goes off at any moment, and the disk keeps what of the unsynced it likes."""

from __future__ import annotations

from tests.fault.goal import SQLITE, Goal, Trial


async def run(trial: Trial) -> None:
    """See `cut_the_power`."""
    # Only this goal needs apsw: the others can be tried where it is not installed.
    from tests.fault.power_cuts import cut_the_power  # noqa: PLC0415

    await cut_the_power(trial)


GOALS = (
    Goal(
        "G3",
        "Power loss",
        "Whenever the power goes off, everything that was acknowledged is there, and nothing is "
        "half done.",
        run,
        (SQLITE,),
    ),
)
