"""`make bench`: what runs cost, how a cold start goes, how large the binaries are; on the terminal and in docs/benchmarks.md."""
