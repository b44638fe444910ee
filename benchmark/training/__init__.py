"""One process, one program: a method built for its data, and the only loop."""
