"""Where clean objects are sent to: one file for each kind of destination, all under one contract."""
