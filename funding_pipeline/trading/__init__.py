"""Carrying out a verdict at venues: the reconcile loop, statements, and the chaos campaign that tests it."""
