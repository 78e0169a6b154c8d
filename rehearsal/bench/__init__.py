"""How fast the program is, in ratios of medians that were measured side by side."""

from rehearsal.bench.measures import bench

__all__ = ["bench"]
