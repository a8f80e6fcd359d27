"""What tools that others make find by their own plug-in points."""
