"""Dead letters: what operators look at, and give back or throw away. For both brokers."""
