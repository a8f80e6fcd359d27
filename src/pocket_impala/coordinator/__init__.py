"""A pocket Impala: one coordinator as a process of its own."""
