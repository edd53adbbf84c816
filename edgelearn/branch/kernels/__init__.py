"""Loops over branches, one file per family of predictors."""
