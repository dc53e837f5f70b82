"""The reference pages: each module reads one part of the code and says in Markdown what it finds there."""
