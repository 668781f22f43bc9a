"""What is in this folder and is not collected: a project of a user, with a pytest run of its own."""

from __future__ import annotations

collect_ignore = ["sample_project"]
