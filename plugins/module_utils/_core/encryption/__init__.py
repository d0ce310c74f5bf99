"""What turns plaintext into an encrypted artifact and back: age, gpg, and formats that are only read."""
