"""A bad link to try things over: a relay that delays, slows down, stalls and breaks what passes, as radio does."""
