"""A database that is emptied and filled again, where no second one can be made."""
