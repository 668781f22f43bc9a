"""Files of requests: read, asked, answered in another file, and gone on with after any end.

run           run_batch, what a caller calls
records       lines of the input
openai_lines  those of OpenAI's batch format
results       the file of answers
"""

from __future__ import annotations

from ollama_sync.fleet.batch.run import BatchPlan, BatchSummary, plan_batch, run_batch

__all__ = ["BatchPlan", "BatchSummary", "plan_batch", "run_batch"]
