"""What every package speaks of: coordinators, attempts, faults, time, secrets, extras."""
