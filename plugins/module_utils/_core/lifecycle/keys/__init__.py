"""What a set gets when keys change: a signature that it was made without, and new recipients."""
