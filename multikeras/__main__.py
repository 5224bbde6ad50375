"""`python -m multikeras`, the command line."""

from multikeras.cli import main

if __name__ == "__main__":
    main()
