"""The worker kit for model authors, and the reference worker; needs no other package of ours."""
