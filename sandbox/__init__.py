"""Runs untrusted programs and judges them against tests. Knows nothing of rewards.

The public door is `sandbox.models`: jobs in, results out, and the `Judge` protocol that every backend satisfies.
"""
