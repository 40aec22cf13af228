"""Compiled loops of the tracker; imported when first used. Rows are tracks, detections, pairs."""
