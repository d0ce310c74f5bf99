"""The product: plain Python that knows PostgreSQL, stores and encryption, and nothing of Ansible."""
