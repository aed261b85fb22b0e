"""Supernets: networks that share weights by slicing; sub-networks chosen by an argument."""

from tradewind.models.supernet.importance import Importance, measure, ranked
from tradewind.models.supernet.subnetwork import SubNetwork
from tradewind.models.supernet.supernet import Supernet

__all__ = ["Importance", "SubNetwork", "Supernet", "measure", "ranked"]
