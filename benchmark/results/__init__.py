"""Finished runs, read: from folders to tidy rows, means over seeds, and tables."""
