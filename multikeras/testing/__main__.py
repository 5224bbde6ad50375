"""`python -m multikeras.testing NAME [pytest's options]`: the conformance suite on one backend."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Runs the suite.

    Args:
        arguments: The backend's word, then what pytest is to be told.

    Returns:
        Pytest's exit status.
    """
    try:
        import pytest
    except ModuleNotFoundError:
        print("The conformance suite needs pytest: pip install 'multikeras[test]'", file=sys.stderr)
        return 2
    if not arguments or arguments[0].startswith("-"):
        print("Usage: python -m multikeras.testing NAME [options of pytest]", file=sys.stderr)
        return 2
    name, *rest = arguments
    plugin = ["-p", "multikeras.testing.plugin", "-p", "no:cacheprovider"]
    return int(pytest.main([*plugin, "--pyargs", "multikeras.testing", "--backend", name, *rest]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
