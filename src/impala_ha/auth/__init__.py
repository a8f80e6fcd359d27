"""Logging in: Kerberos and HTTP authentication."""
