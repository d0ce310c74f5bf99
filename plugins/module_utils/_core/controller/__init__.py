"""The objects of an AWX or Tower: what there is, what there is to be, and the way from one to the other."""
