"""`make bench`: what runs cost on AWS, cold starts, binary sizes, and how long a call and a run take on the local stack.

It prints what it measures and writes it into docs/benchmarks.md.
"""
