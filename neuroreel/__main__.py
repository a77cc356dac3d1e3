"""``python -m neuroreel`` and the ``neuroreel`` command."""

from __future__ import annotations

import os

# One BLAS and OpenMP thread per process, set before numpy or torch is imported: more make decoding slower.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def main() -> None:
    """Run the command line."""
    import logging

    from neuroreel import terminal
    from neuroreel.cli import cli

    terminal.open_standard_streams()
    logging.lastResort = terminal.LogHandler(logging.WARNING)
    try:
        cli.main(prog_name="neuroreel")
    finally:
        terminal.flush()


if __name__ == "__main__":
    main()
