"""A command's request, resolved to runs: what is compared, on which data, at which size."""
