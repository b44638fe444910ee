"""What the results say of the paper: claims with verdicts. Reads results, never trains."""
