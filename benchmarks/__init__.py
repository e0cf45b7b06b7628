"""Benchmarks against what others would have built; `make bench`, docs/reference/benchmarks.md."""
