"""What the image says: intensities, windows, tissue, quality, urgency, and a fleet that watches itself."""
