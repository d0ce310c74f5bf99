"""The only place that knows AnsibleModule."""
