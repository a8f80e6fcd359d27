"""Where coordinators come from, besides a list: a class for each scheme of URL, and a function."""
