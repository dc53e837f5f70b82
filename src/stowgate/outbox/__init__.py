"""What goes out next, when, and how fast: policy as pure functions, without sockets, ledgers or clocks."""
