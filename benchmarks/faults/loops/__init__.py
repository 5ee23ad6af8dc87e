"""Healthy training loops by many hands, each a script of its own; the cases change a line or two of them."""
