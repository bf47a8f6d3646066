"""The report, from the metrics of a run."""
