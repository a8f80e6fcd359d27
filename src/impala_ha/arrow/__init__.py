"""Results as Apache Arrow: what the extra `arrow` brings."""
