"""Ways of flushing that several architectures share: each is written once, and used by a plugin as a base class."""
