"""Many runs: a grid, its runs on the workers of a cluster, their results and the report."""
