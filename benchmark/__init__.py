"""LBT-Bench: trains every method under one loop, measures it, and draws the paper's artefacts."""
