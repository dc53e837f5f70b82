"""The ledger: what became of every input, kept on the identified side and never forgotten."""
