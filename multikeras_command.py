"""The console script `multikeras`.

It stands outside the package so that it can say, before `import multikeras` reads the configuration,
that the command line is starting: a wrong setting is then the command's business, and no error.
"""

#: Read by `multikeras/__init__.py`.
starting = False


def main() -> None:
    """Runs the command line."""
    global starting
    starting = True
    try:
        from multikeras.cli import main as run
    finally:
        starting = False
    run()
