"""Metrics of a run: records of joins, histograms, intervals."""
