"""What if: a past period replayed in memory with other weights, limits, activity or strategy. It writes nothing."""
