"""Which coordinator is next: members, circuit breakers, policies, shared by the whole process."""
