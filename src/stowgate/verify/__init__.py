"""The independent witness: a gate every written object has to pass, an audit of any folder, and the report."""
