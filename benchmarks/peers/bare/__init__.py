"""The least that a POST can cost here: a bare REST framework view with our keys, one SQL call."""
