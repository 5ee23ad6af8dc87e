"""Sweeps: many variants of one config, each trained with several seeds, here or on a cluster."""
