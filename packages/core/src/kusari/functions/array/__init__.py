"""Functions that rearrange, join, cut, pad and pick."""
