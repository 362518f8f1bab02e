"""What policies cost: counted by running the programs that the explorer proves."""

from core.cost.workloads import STANDARD, WORKLOADS, Workload

__all__ = ["STANDARD", "WORKLOADS", "Workload"]
