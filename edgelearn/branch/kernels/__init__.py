"""Loops over branches, one file a family of predictors."""
