"""`python -m tradewind` is the `tradewind` command."""

from tradewind.cli.main import run

if __name__ == "__main__":
    run()
