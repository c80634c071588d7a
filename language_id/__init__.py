"""Tells the language of text and whether texts share one, by fastText's lid.176 and the evidence beside it."""
