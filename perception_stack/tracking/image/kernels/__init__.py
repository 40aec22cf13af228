"""Loops in machine code; compiled when first called, imported only then."""
