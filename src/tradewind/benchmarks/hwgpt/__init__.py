"""HW-GPT-Bench inside: three scales, thirteen devices, no download, with honest uncertainty."""

from tradewind.benchmarks.hwgpt.benchmark import HWGPTBenchmark, load, names

__all__ = ["HWGPTBenchmark", "load", "names"]
