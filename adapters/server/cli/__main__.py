"""`python -m adapters.server.cli`."""

from adapters.server.cli import main

if __name__ == "__main__":
    main()
