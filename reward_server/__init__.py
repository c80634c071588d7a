"""The HTTP service that turns rollouts into rewards (Magistral, arXiv 2506.10910, section 2.2)."""

__version__ = "0.1.0"
