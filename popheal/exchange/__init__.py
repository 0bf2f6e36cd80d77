"""What Exchange is: names, what its cmdlets return, how to read it, and the port to it."""
