"""Sharpening Emotion Perception in MLLMs (ICML 2025)."""

__version__ = "0.1.0"
