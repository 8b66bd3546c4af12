"""What is measured on a trained pair of networks."""
