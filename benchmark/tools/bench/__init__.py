"""Speed of one training iteration against its peers: ``python -m benchmark.tools.bench``."""
