"""Reproduction suite for the triple-head detector with joint-loss-aware label assignment."""

__version__ = "0.1.0"
