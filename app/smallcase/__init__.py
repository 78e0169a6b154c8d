"""Smallcase of the day: one of five smallcases at random, on a page in the colour of its environment."""
