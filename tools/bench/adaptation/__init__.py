"""Adaptation: cases of narrow and lossy links, each for several bandwidth estimators."""
