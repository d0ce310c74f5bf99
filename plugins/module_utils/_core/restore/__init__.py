"""From a backup set, or what older procedures left behind, back into a database."""
