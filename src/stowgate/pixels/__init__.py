"""The picture: what its header says of it, and its frames, decoded one by one."""
