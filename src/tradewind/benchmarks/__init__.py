"""Published measurements as benchmarks: what is known about architectures without training or timing one."""

from tradewind.benchmarks.registry import get, names

__all__ = ["get", "names"]
