"""Where runs are carried out: this process, local workers, a cluster. Knows runs, not presets."""
