"""Many requests over the workers of a Dask cluster. Needs the extra `dask`.

fleet       what a caller holds, and the cluster
outcomes    partitions: sent, answered by workers, handed over
"""

from __future__ import annotations

from ollama_sync.dask._fleet import DaskFleet
from ollama_sync.dask._outcomes import DaskOutcomes

__all__ = ["DaskFleet", "DaskOutcomes"]
