"""Where objects come from: folders for now; each source hands over what it found and waits for the answer."""
