"""The seed guide's project, as far as ordering a picture needs it."""
