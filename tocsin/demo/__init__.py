"""A believable small accelerator to try everything on."""
