"""How many contacts a second the product takes, beside what the database alone could: `python -m benchmarks`.

What is measured and how to read it stands in docs/performance.md.
"""
