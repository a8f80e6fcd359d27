"""HiveServer2: opening a connection to one coordinator, and calls on it, by impyla and Thrift."""
