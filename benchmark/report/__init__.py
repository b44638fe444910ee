"""What the results say of the paper: claims, verdicts, pages. Reads results, never trains."""
