"""Step 10, report: lines of a plan, or predictions, as a table, JSON lines or CSV."""

from __future__ import annotations
