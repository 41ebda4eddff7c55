"""Faults other than kills."""

APART: list = []
ON_STUDY: list = []
