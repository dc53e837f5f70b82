"""A slow, obvious implementation of the rules with pydicom: what the engine's output is compared with."""
