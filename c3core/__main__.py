"""`python -m c3core`: the same as `c3`."""

from c3core.cli import main

if __name__ == "__main__":
    main()
