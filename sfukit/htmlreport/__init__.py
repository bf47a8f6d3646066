"""Self-contained HTML reports: the frame of a page, tables, plots, a heat map of participants."""
