"""Every option, how it is read from arguments and from the environment."""
