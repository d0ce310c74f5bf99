"""What a hoster of databases offers: how its databases differ from others, and its API."""
