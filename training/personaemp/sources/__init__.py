"""Where the people of a data set come from: each source yields records, one at a time."""
