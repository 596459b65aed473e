"""The benchmarks: what an audited run costs beside the same work done without an audit.

Run ``python -m bench --help`` from the root of the checkout.
"""
