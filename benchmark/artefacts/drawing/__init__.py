"""What figures share: style, sample sheets, densities."""
