"""`python -m reward_server`, and the console script."""

from reward_server.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
