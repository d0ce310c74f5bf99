"""OpenPGP through the program gpg: a key ring of a run's own, its keys, encryption and decryption."""
