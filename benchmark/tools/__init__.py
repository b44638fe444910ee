"""Commands of their own: search, the classifier of digits, the engine against its peers."""
