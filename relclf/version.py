"""The version of relclf, read by the package build, the environment record and the signatures."""

__version__ = "0.1.0"
