"""Functions that pool windows and regions of images, and undo it."""
