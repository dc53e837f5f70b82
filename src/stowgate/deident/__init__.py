"""De-identification by PS3.15 Annex E: rules from tables, options and overrides, and the one pass that applies them."""
