"""Where the command line starts, as `loyalty` and as `python -m loyalty_service`."""

import gc

# What is loaded stays: looking for garbage among it takes a sixth of the start, and a pause later.
gc.disable()

from loyalty_service.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
