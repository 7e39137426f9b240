"""Runs one client test as a sequence of named steps, prints one verdict line and exits.

The line is `OK <libraries>` or `FAIL <libraries>: <step>: <reason>`. The runner reads the
step, so these names have a meaning: `token` (asking for one), `valid token`.
"""

import os
import sys
from contextlib import contextmanager
from importlib.metadata import version

# A scope that no client of the test has.
MISSING_SCOPE = "admin:users"


class ClientTest:
    def __init__(self, *distributions):
        self._title = " + ".join(f"{name}@{version(name)}" for name in distributions)

    def __enter__(self):
        return self

    @contextmanager
    def step(self, name):
        try:
            yield
        except Exception as error:
            self._fail(name, error)

    @contextmanager
    def refused(self, name, error_type, explanation=""):
        """A step that must end in this error, with this text in it or in its cause."""
        with self.step(name):
            try:
                yield
            except error_type as error:
                assert explanation in _describe(error), f"refused for another reason: {_describe(error)}"
            else:
                raise AssertionError("was accepted")

    def __exit__(self, error_type, error, traceback):
        if error is None:
            print(f"OK {self._title}")
        elif isinstance(error, Exception):
            self._fail("start", error)

    def _fail(self, step, error):
        print(f"FAIL {self._title}: {step}: {_describe(error)}")
        sys.exit(1)


def environment(name):
    """A variable that `countersign dev` writes into its env file. Nothing has a default."""
    value = os.environ.get(name)
    if not value:
        raise LookupError(f"environment variable {name} is not set")
    return value


def _describe(error):
    reasons = []
    while error is not None:
        reasons.append(f"{type(error).__name__} {error}")
        error = error.__cause__
    return " ".join(", because ".join(reasons).split())
