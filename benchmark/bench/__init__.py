"""Speed of one training iteration against its peers: ``python -m benchmark.bench``."""
