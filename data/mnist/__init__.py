"""The embedded MNIST files."""
