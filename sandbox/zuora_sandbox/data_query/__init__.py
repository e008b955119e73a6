"""Data Query: jobs that run SQL over a tenant's objects, and the files that they leave at another origin."""
