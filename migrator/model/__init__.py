"""Frozen nouns, outcomes and errors; imports nothing of ours."""
