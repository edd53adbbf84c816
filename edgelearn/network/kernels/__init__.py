"""Compiled loops on raw integers, named by operator, not by rule.

The functions here trust their arguments; `edgelearn.network.spec` and `edgelearn.network.learner` validate. Importing
this package imports numba, so only code that starts a simulation does.
"""
