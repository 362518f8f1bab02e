"""Ways of flushing that several architectures share: each written once, taken by a plugin as a base class."""
