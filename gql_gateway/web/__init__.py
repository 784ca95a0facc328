"""HTTP: the composition root and the routes."""
