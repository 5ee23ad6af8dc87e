"""Replays stopping rules over long runs that kept the weights of every epoch."""
