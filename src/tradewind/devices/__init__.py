"""Devices: the one timer, true peak memory and energy, measured in isolated workers, one at a time on a machine.

>>> import tradewind as tw
>>> tw.devices.get("cpu").available()
True
"""

from tradewind.devices.device import QUANTITIES, Cpu, Cuda, Device, get
from tradewind.devices.runner import Runner, measure, on_device
from tradewind.devices.timing import Timing

__all__ = ["QUANTITIES", "Cpu", "Cuda", "Device", "Runner", "Timing", "get", "measure", "on_device"]
