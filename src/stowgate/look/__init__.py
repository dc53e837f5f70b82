"""Looks at objects one by one, in a process of their own: what is wrong with the picture, what it measures."""
