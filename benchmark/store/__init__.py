"""A folder per run: what was run, by which code, how far it is, who writes."""
