"""A bucket's policy as code: what it shall be like, what it is like, and the steps from the one to the other."""
