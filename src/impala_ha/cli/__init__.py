"""The programs: `impala-connect` and `impala-ha`."""
