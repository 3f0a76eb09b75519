"""Proof by killing: requests go in, processes die at random moments, SQL finds what was lost or done twice.

``python -m tests.chaos --requests 200``, or ``make chaos N=200``. pytest does not collect it.
Source: SAFETY design, sections 2, 3 and 9.
"""
