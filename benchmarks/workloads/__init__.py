"""What is timed: the same layers and models on Kusari and on PyTorch."""
