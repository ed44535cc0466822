"""A wave's life: planner, lifecycle, gates, run, cutover, rollback."""
